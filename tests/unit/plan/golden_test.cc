// What the engines' sample configurations become under profile baseline, and a job under
// restricted: the plans, as files.
#include <cstdlib>

#include "shim/plan/compile.h"
#include "tests/unit/base/outcome.h"
#include "tests/unit/policy/fixture.h"

namespace casemate::plan {
namespace {

using policy::Decision;

void compare(const std::string& name, const Decision& decision, Inputs inputs) {
  ASSERT_FALSE(decision.denied) << policy::rules_of(decision);
  inputs.id = "golden";
  inputs.bundle = "/bundle";
  inputs.profile_filter = decision.seccomp;
  const auto plan = compile(decision.spec, inputs);
  ASSERT_TRUE(plan) << plan.error().message();
  const auto path = policy::kSource / "tests/golden/plan" / (name + ".json");
  const std::string text = dump_pretty(plan->to_json()) + "\n";
  if (std::getenv("CASEMATE_UPDATE_GOLDEN") != nullptr) std::ofstream(path) << text;
  EXPECT_EQ(policy::slurp(path), text) << "CASEMATE_UPDATE_GOLDEN=1 rewrites " << path;
}

Decision decide_sample(const std::string& sample) {
  return policy::decide(policy::spec_of(policy::sample_json(sample)),
                        policy::profile_of(policy::profile_json("baseline")), policy::good_host(),
                        policy::host_context());
}

class GoldenPlan : public testing::TestWithParam<const char*> {};

TEST_P(GoldenPlan, Baseline) {
  compare(std::string(GetParam()) + ".baseline", decide_sample(GetParam()), {});
}
INSTANTIATE_TEST_SUITE_P(Samples, GoldenPlan,
                         testing::Values("docker20-default", "docker20-tty-limits", "ctr16-default",
                                         "ctr16-tty-limits", "podman43-default"));

// What engines leave out by default: an idmapped bind, a tmpfs that begins with the image's files,
// recursive attributes, and namespaces of another container.
TEST(GoldenPlanMounts, Baseline) {
  Json config = policy::sample_json("docker20-default");
  const Json map = {{{"containerID", 0}, {"hostID", 100000}, {"size", 65536}}};
  config["linux"]["namespaces"].push_back({{"type", "user"}});
  config["linux"]["namespaces"].push_back({{"type", "time"}, {"path", "/proc/7/ns/time"}});
  config["linux"]["uidMappings"] = config["linux"]["gidMappings"] = map;
  auto& mounts = config["mounts"];
  mounts.push_back(
      {{"destination", "/shared"}, {"source", "/srv/shared"}, {"options", {"rbind", "ridmap"}}});
  mounts.push_back({{"destination", "/var/cache"},
                    {"type", "tmpfs"},
                    {"source", "tmpfs"},
                    {"options", {"tmpcopyup", "rnoexec", "size=64m"}}});
  compare(
      "docker20-mounts.baseline",
      policy::decide(policy::spec_of(config), policy::profile_of(policy::profile_json("baseline")),
                     policy::good_host(), policy::host_context()),
      {});
}

// A privileged container has no plan under baseline: there is nothing to compare but the refusal.
TEST(GoldenPlanRefused, PrivilegedUnderBaseline) {
  EXPECT_TRUE(decide_sample("docker20-privileged").denied);
}

TEST(GoldenPlanJob, Restricted) {
  compare("docker20-job.restricted",
          policy::decide(policy::spec_of(policy::job_config()),
                         policy::profile_of(policy::profile_json("restricted")),
                         policy::good_host(), policy::job_context()),
          {.upper_bytes = std::uint64_t{1} << 30, .datasets = {{"digits", "/data"}}});
}

}  // namespace
}  // namespace casemate::plan
