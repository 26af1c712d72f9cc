// Every sample configuration under every shipped profile: the findings, as files.
#include <cstdlib>

#include "policy/decide.h"
#include "tests/unit/policy/fixture.h"

namespace casemate::policy {
namespace {

using Pair = std::tuple<const char*, const char*>;
class Golden : public testing::TestWithParam<Pair> {};

void compare(const std::string& name, const Decision& decision) {
  const auto path = kSource / "tests/golden/policy" / (name + ".json");
  const std::string text = dump_pretty(to_json(decision)) + "\n";
  if (std::getenv("CASEMATE_UPDATE_GOLDEN") != nullptr) std::ofstream(path) << text;
  EXPECT_EQ(slurp(path), text) << "CASEMATE_UPDATE_GOLDEN=1 rewrites " << path;
}

TEST_P(Golden, Findings) {
  const auto& [sample, profile] = GetParam();
  compare(std::string(sample) + "." + profile,
          decide(spec_of(sample_json(sample)), profile_of(profile_json(profile)), good_host(),
                 host_context()));
}

INSTANTIATE_TEST_SUITE_P(Samples, Golden,
                         testing::Combine(testing::Values("docker20-default", "docker20-tty-limits",
                                                          "docker20-privileged", "ctr16-default",
                                                          "ctr16-tty-limits", "podman43-default"),
                                          testing::Values("baseline", "restricted", "lab")));

TEST(GoldenJob, Restricted) {
  compare("docker20-job.restricted",
          decide(spec_of(job_config()), profile_of(profile_json("restricted")), good_host(),
                 job_context()));
}

}  // namespace
}  // namespace casemate::policy
