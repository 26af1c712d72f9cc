// Properties that hold for every request, not only for the examples: what is bounded stays bounded,
// and nothing that leaves decide() is beyond the profile.
#include <algorithm>
#include <random>

#include "policy/explain.h"
#include "policy/match.h"
#include "tests/unit/policy/fixture.h"

namespace casemate::policy {
namespace {

// Values worth trying in any place; among them some that mean something in several.
const Json& wild_values() {
  static const Json values = {nullptr,
                              true,
                              false,
                              0,
                              1,
                              -1,
                              2147483647,
                              4294967296ULL,
                              "",
                              "/",
                              "/proc",
                              "/proc/1/ns/net",
                              "/etc/shadow",
                              "bind",
                              "rbind",
                              "rw",
                              "rshared",
                              "tmpfs",
                              "CAP_SYS_ADMIN",
                              "CAP_NET_ADMIN",
                              "LD_PRELOAD=/x",
                              "NVIDIA_VISIBLE_DEVICES=all",
                              "A=\n",
                              "a",
                              "c",
                              "rwm",
                              "m",
                              "user",
                              "SCMP_ACT_ALLOW",
                              "system_u:object_r:etc_t:s0",
                              Json::array(),
                              Json::object(),
                              {{"allow", true}},
                              {{"destination", "/x"}, {"type", "bind"}, {"source", "/srv/x"}},
                              {{"destination", "/dev/shm"}, {"type", "bind"}, {"source", "/a/shm"}},
                              {{"limit", -1}},
                              {{"path", "/dev/sda"}, {"type", "b"}, {"major", 8}, {"minor", 0}}};
  return values;
}

// Replaces, erases or repeats a random value somewhere in the document.
void mutate(Json& node, std::mt19937& random) {
  Json* at = &node;
  while (at->is_structured() && !at->empty() && random() % 8 != 0) {
    auto next = at->begin();
    std::advance(next, static_cast<std::ptrdiff_t>(random() % at->size()));
    at = &*next;
  }
  const auto& values = wild_values();
  switch (random() % 3) {
    case 0:
      *at = values[random() % values.size()];
      break;
    case 1:
      if (at->is_array()) at->push_back(values[random() % values.size()]);
      break;
    default:
      if (at->is_array() && !at->empty()) at->erase(random() % at->size());
  }
}

void check_within(const Decision& decision, const Profile& profile) {
  const auto& spec = decision.spec;
  if (spec.process && spec.process->capabilities) {
    for (const auto* set :
         {&spec.process->capabilities->bounding, &spec.process->capabilities->effective,
          &spec.process->capabilities->permitted, &spec.process->capabilities->inheritable,
          &spec.process->capabilities->ambient})
      for (const auto& name : *set) EXPECT_TRUE(contains(profile.capabilities.ceiling, name));
  }
  for (const auto& path : profile.masked_paths)
    EXPECT_TRUE(contains(spec.linux.masked_paths, path));
  for (const auto& path : profile.readonly_paths)
    EXPECT_TRUE(contains(spec.linux.readonly_paths, path));
  EXPECT_TRUE(spec.linux.has(oci::NamespaceType::mount));
  EXPECT_TRUE(spec.linux.has(oci::NamespaceType::network));
  if (profile.no_new_privileges == NoNewPrivileges::require && spec.process) {
    EXPECT_TRUE(spec.process->no_new_privileges);
  }
  for (const auto& mount : spec.mounts) {
    EXPECT_TRUE(mount.type == "proc" || !path_within("/proc", mount.destination));
    if (profile.name == "restricted" && mount.type == "bind") {
      EXPECT_TRUE(contains(mount.options, "ro"));
    }
  }
}

void check_stable(const Decision& first, const Profile& profile, const JobContext& context) {
  const auto second = decide(first.spec, profile, good_host(), context);
  EXPECT_EQ(second.denied, first.denied) << explain_text(second);
  for (const auto& finding : second.findings)
    EXPECT_NE(finding.outcome, Outcome::tighten) << explain_text(first) << explain_text(second);
}

void run(const Json& config, const std::string& name, const JobContext& context, unsigned seed,
         int rounds) {
  std::mt19937 random(seed);
  const Profile profile = profile_of(profile_json(name));
  int parsed = 0;
  int allowed = 0;
  for (int round = 0; round < rounds && !testing::Test::HasFailure(); ++round) {
    Json changed = config;
    for (unsigned hit = 0; hit < 1 + random() % 3; ++hit) mutate(changed, random);
    const auto spec = oci::parse_spec(changed.dump());
    if (!spec) continue;
    ++parsed;
    const auto decision = decide(*spec, profile, good_host(), context);
    explain_text(decision);
    if (decision.denied) {
      EXPECT_FALSE(refusal(decision).rule.empty());
      continue;
    }
    check_stable(decision, profile, context);
    ++allowed;
    if (profile.mode == Mode::enforce) check_within(decision, profile);
  }
  EXPECT_GT(parsed, rounds / 20);
  EXPECT_GT(allowed, 0);
}

class Samples : public testing::TestWithParam<const char*> {};

TEST_P(Samples, MutatedUnderBaseline) {
  run(sample_json(GetParam()), "baseline", host_context(), 11, 500);
}
TEST_P(Samples, MutatedUnderLab) {
  run(sample_json(GetParam()), "lab", host_context(), 12, 200);
}

INSTANTIATE_TEST_SUITE_P(All, Samples,
                         testing::Values("docker20-tty-limits", "ctr16-default",
                                         "podman43-default"));

TEST(Job, MutatedUnderRestricted) {
  run(job_config(), "restricted", job_context(), 13, 800);
}

// Changing the value of any process field of a job leaves what was verified.
TEST(Job, NoArgumentOrVariableCanBeChanged) {
  const auto profile = profile_of(profile_json("restricted"));
  for (const char* list : {"args", "env"}) {
    const Json original = job_config();
    for (std::size_t i = 0; i < original["process"][list].size(); ++i) {
      Json config = original;
      auto& text = config["process"][list][i];
      if (text.get<std::string>().starts_with("HOSTNAME")) continue;
      text = text.get<std::string>() + "x";
      EXPECT_TRUE(decide(spec_of(config), profile, good_host(), job_context()).denied) << text;
    }
  }
}

// An empty list means nothing, never everything.
TEST(Monotone, EmptyingAListNeverAllowsMore) {
  const Json profile = profile_json("baseline");
  Json config = sample_json("docker20-default");
  config["mounts"].push_back({{"destination", "/x"}, {"type", "bind"}, {"source", "/srv/x"}});
  const std::pair<const char*, const char*> lists[] = {
      {"/mounts/rules", "mounts.rule"},
      {"/sysctls/allowed", "sysctls.allowed"},
      {"/user/gids", ""},
      {"/capabilities/ceiling", "capabilities.ceiling"}};
  for (const auto& [pointer, rule] : lists) {
    Json emptied = profile;
    emptied[Json::json_pointer(pointer)] = Json::array();
    const auto decision = decide(spec_of(config), profile_of(emptied), good_host(), host_context());
    if (*rule != '\0') {
      EXPECT_NE(find_rule(decision, rule), nullptr) << pointer;
    }
  }
}

TEST(Match, PathsRespectComponents) {
  EXPECT_TRUE(path_within("/a", "/a"));
  EXPECT_TRUE(path_within("/a", "/a/b"));
  EXPECT_FALSE(path_within("/a", "/ab"));
  EXPECT_FALSE(path_within("", "/a"));
  EXPECT_TRUE(path_within("/", "/a"));
  EXPECT_TRUE(path_matches("/a/*", "/a/b/c"));
  EXPECT_FALSE(path_matches("/a/*", "/a"));
  EXPECT_FALSE(path_matches("/a/*", "/a/"));
  EXPECT_FALSE(path_matches("/a/*", "/ab/c"));
  EXPECT_FALSE(path_matches("", ""));
  EXPECT_TRUE(path_matches("/*", "/a"));
  EXPECT_FALSE(path_matches("/*", "/"));
  EXPECT_TRUE(name_matches("LD_*", "LD_X"));
  EXPECT_FALSE(name_matches("LD_*", "XLD_"));
  EXPECT_FALSE(name_matches("", ""));
  EXPECT_FALSE(is_name_pattern("a*b"));
  for (const char* bad : {"a", "", "/a/", "/a//b", "/a/../b", "/..", "/a/.", "/a*", "/*/b"})
    EXPECT_FALSE(is_path_pattern(bad)) << bad;
}

}  // namespace
}  // namespace casemate::policy
