#include "shim/plan/stored.h"

#include <filesystem>
#include <random>
#include <set>

#include "shim/oci/number_list.h"
#include "shim/plan/names.h"
#include "tests/unit/base/outcome.h"
#include "tests/unit/policy/fixture.h"

namespace casemate::plan {
namespace {

// What load_process_steps() reads; the others are of no use to a further process.
bool is_loaded(std::string_view name) {
  for (const char* known :
       {"namespaces", "id-maps", "oom-score", "rlimit", "selinux-label", "no-new-privileges",
        "seccomp", "credentials", "capabilities", "cwd", "execute", "scheduler", "io-priority",
        "memory-policy", "personality", "exec-cpu-affinity"})
    if (name == known) return true;
  return false;
}

Json loaded_part(const Json& plan) {
  Json part = {{"version", 1}, {"steps", Json::array()}};
  for (const Json& step : plan.at("steps"))
    if (is_loaded(step.at("step").get<std::string>())) part["steps"].push_back(step);
  return part;
}

TEST(StoredPlan, TheGoldenPlansComeBackAsTheyWere) {
  int plans = 0;
  for (const auto& file :
       std::filesystem::directory_iterator(policy::kSource / "tests/golden/plan")) {
    const Json json = policy::json_file(file.path());
    const auto loaded = load_process_steps(json);
    ASSERT_TRUE(loaded) << file.path() << loaded.error().message();
    EXPECT_EQ(loaded->to_json(), loaded_part(json)) << file.path();
    EXPECT_GE(loaded->steps.size(), 6u) << file.path();
    ++plans;
  }
  EXPECT_GE(plans, 6);
}

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}
  std::uint64_t number() { return engine_(); }
  std::uint32_t number32() { return static_cast<std::uint32_t>(engine_()); }
  std::size_t below(std::size_t limit) { return engine_() % limit; }
  bool flip() { return below(2) == 0; }
  std::string text() {
    std::string out;
    for (std::size_t i = below(6); i > 0; --i) out += "aZ/= \"\\\n\xc3\xa4"[below(8)];
    return out;
  }
  std::vector<std::string> texts() {
    std::vector<std::string> out(below(4));
    for (std::string& one : out) one = "t" + std::to_string(number());
    return out;
  }
  std::vector<std::uint32_t> list(std::uint32_t end) {
    std::set<std::uint32_t> out;
    for (std::size_t i = below(9); i > 0; --i) out.insert(static_cast<std::uint32_t>(below(end)));
    return {out.begin(), out.end()};
  }
  std::optional<std::uint32_t> maybe32() {
    if (flip()) return number32();
    return {};
  }

 private:
  std::mt19937_64 engine_;
};

oci::Seccomp random_filter(Random& random) {
  oci::Seccomp filter;
  filter.default_action = random.text();
  filter.default_errno_ret = random.maybe32();
  filter.architectures = random.texts();
  filter.flags = random.texts();
  for (std::size_t i = random.below(4); i > 0; --i) {
    oci::SeccompRule rule{random.texts(), random.text(), random.maybe32(), {}};
    for (std::size_t arg = random.below(3); arg > 0; --arg)
      rule.args.push_back({random.number32(), random.number(), random.number(), random.text()});
    filter.syscalls.push_back(std::move(rule));
  }
  return filter;
}

std::vector<oci::IdMapping> random_maps(Random& random) {
  std::vector<oci::IdMapping> maps(random.below(3));
  for (oci::IdMapping& map : maps) map = {random.number32(), random.number32(), random.number32()};
  return maps;
}

Step random_step(Random& random) {
  switch (random.below(16)) {
    case 0:
      return Namespaces{
          {{oci::NamespaceType::pid, random.text()}, {oci::NamespaceType::time, random.text()}}};
    case 1:
      return IdMaps{random_maps(random), random_maps(random)};
    case 2:
      return SetOomScore{static_cast<int>(random.below(2001)) - 1000};
    case 3:
      return SetRlimit{{random.text(), random.number(), random.number()}};
    case 4:
      return SetLabel{random.text()};
    case 5:
      return NoNewPrivileges{};
    case 6:
      return LoadSeccomp{random.flip() ? FilterSource::profile : FilterSource::container,
                         random_filter(random)};
    case 7:
      return SetCredentials{{random.number32(),
                             random.number32(),
                             random.maybe32(),
                             {random.number32(), random.number32()}}};
    case 8:
      return SetCapabilities{random.number(), random.number(), random.number(), random.number(),
                             random.number()};
    case 9:
      return SetWorkingDirectory{random.text(), random.flip()};
    case 10:
      return SetScheduler{{.policy = random.text(),
                           .nice = static_cast<int>(random.below(40)) - 20,
                           .priority = static_cast<int>(random.below(100)),
                           .flags = random.texts(),
                           .runtime = random.number(),
                           .deadline = random.number(),
                           .period = random.number()}};
    case 11:
      return SetIoPriority{{random.text(), static_cast<int>(random.below(8))}};
    case 12:
      return SetMemoryPolicy{{random.text(), random.list(oci::kMaxNodes), random.texts()}};
    case 13:
      return SetPersonality{random.text()};
    case 14:
      return ExecCpuAffinity{{random.list(oci::kMaxCpus), random.list(oci::kMaxCpus)}};
    default:
      return Execute{random.texts(), random.texts()};
  }
}

TEST(StoredPlan, WhateverIsWrittenIsRead) {
  Random random(4711);
  for (int round = 0; round < 3000; ++round) {
    Plan plan;
    for (std::size_t i = random.below(8); i > 0; --i) plan.steps.push_back(random_step(random));
    // As text, as it lies in plan.json.
    const auto stored = parse_json(dump(plan.to_json()));
    ASSERT_TRUE(stored);
    const auto loaded = load_process_steps(*stored);
    ASSERT_TRUE(loaded) << loaded.error().message() << dump(*stored);
    ASSERT_EQ(loaded->to_json(), plan.to_json());
  }
}

// A step that is read as less than it says would bind the new process less.
TEST(StoredPlan, WhatIsNotUnderstoodIsRefused) {
  const Json whole =
      Plan{{LoadSeccomp{FilterSource::container, {.default_action = "SCMP_ACT_ERRNO"}},
            SetCredentials{}, SetCapabilities{}}}
          .to_json();
  ASSERT_TRUE(load_process_steps(whole));
  const auto changed = [&](int step, const char* key, const Json& value) {
    Json json = whole;
    if (value.is_null())
      json["steps"][step].erase(key);
    else
      json["steps"][step][key] = value;
    return rule_of(load_process_steps(json));
  };
  EXPECT_EQ(changed(0, "syscalls", nullptr), "plan.stored");
  EXPECT_EQ(changed(0, "syscalls", "none"), "plan.stored");
  EXPECT_EQ(changed(0, "listener", "/run/socket"), "plan.stored");
  EXPECT_EQ(changed(0, "from", "elsewhere"), "plan.stored");
  EXPECT_EQ(changed(1, "uid", std::uint64_t{1} << 32), "plan.stored");
  EXPECT_EQ(changed(1, "uid", -1), "plan.stored");
  EXPECT_EQ(changed(1, "additionalGids", {std::int64_t{1} << 32}), "plan.stored");
  EXPECT_EQ(changed(2, "bounding", nullptr), "plan.stored");
  for (const char* text :
       {"null", "[]", "{}", R"({"version":2,"steps":[]})", R"({"version":1})",
        R"({"version":1,"steps":{}})", R"({"version":1,"steps":[7]})",
        R"({"version":1,"steps":[{"path":"/"}]})",
        R"({"version":1,"steps":[{"step":"id-maps","uids":[[0,1]],"gids":[]}]})"})
    EXPECT_EQ(rule_of(load_process_steps(Json::parse(text))), "plan.stored") << text;
}

TEST(StoredPlan, TheProcessOfTheContainer) {
  const Plan plan{{Namespaces{{{oci::NamespaceType::user, ""}}},
                   IdMaps{{{0, 1000, 10}}, {{0, 2000, 10}}}, SetOomScore{7},
                   SetRlimit{{"RLIMIT_CORE", 1, 0}}, SetRlimit{{"RLIMIT_NOFILE", 3, 2}},
                   SetLabel{"u:r:t:s0"}, NoNewPrivileges{}, SetCredentials{{.uid = 5, .gid = 6}},
                   SetCapabilities{.bounding = 1, .effective = 3}, SetWorkingDirectory{"/srv"},
                   Execute{{"/bin/true"}, {"A=B"}}, SetPersonality{"LINUX32"},
                   SetScheduler{{.policy = "SCHED_IDLE"}}, SetIoPriority{{.priority = 3}},
                   ExecCpuAffinity{{.final = {1}}}}};
  const oci::Spec spec = spec_of(plan);
  EXPECT_TRUE(spec.linux.has(oci::NamespaceType::user));
  EXPECT_EQ(spec.linux.uid_mappings[0].host_id, 1000u);
  EXPECT_EQ(spec.linux.gid_mappings[0].host_id, 2000u);
  const oci::Process& process = *spec.process;
  EXPECT_EQ(process.oom_score_adj, 7);
  ASSERT_EQ(process.rlimits.size(), 2u);
  EXPECT_EQ(process.rlimits[1].hard, 3u);
  EXPECT_EQ(process.selinux_label, "u:r:t:s0");
  EXPECT_TRUE(process.no_new_privileges);
  EXPECT_EQ(process.user.uid, 5u);
  EXPECT_EQ(process.capabilities->bounding, std::vector<std::string>{"CAP_CHOWN"});
  EXPECT_EQ(process.capabilities->effective,
            (std::vector<std::string>{"CAP_CHOWN", "CAP_DAC_OVERRIDE"}));
  EXPECT_EQ(process.cwd, "/srv");
  EXPECT_EQ(process.args, std::vector<std::string>{"/bin/true"});
  EXPECT_EQ(process.env, std::vector<std::string>{"A=B"});
  EXPECT_EQ(spec.linux.personality, "LINUX32");
  EXPECT_EQ(process.scheduler->policy, "SCHED_IDLE");
  EXPECT_EQ(process.io_priority->priority, 3);
  EXPECT_EQ(process.exec_cpu_affinity->final, std::vector<std::uint32_t>{1});
  EXPECT_FALSE(spec_of(Plan{}).process->no_new_privileges);
}

TEST(Names, CapabilitiesThereAndBack) {
  for (unsigned number = 0; number <= 40; ++number) {
    const std::uint64_t bit = std::uint64_t{1} << number;
    const auto names = capability_names(bit);
    ASSERT_EQ(names.size(), 1u) << number;
    EXPECT_EQ(capability_bits(names, "").value_or(0), bit) << names[0];
  }
  EXPECT_TRUE(capability_names(0).empty());
}

}  // namespace
}  // namespace casemate::plan
