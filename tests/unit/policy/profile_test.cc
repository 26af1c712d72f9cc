#include "policy/profile.h"

#include <algorithm>
#include <random>

#include "policy/lint.h"
#include "tests/unit/policy/fixture.h"

namespace casemate::policy {
namespace {

constexpr const char* kShipped[] = {"baseline", "restricted", "lab"};

TEST(Profile, ShippedOnesParseAndLintClean) {
  for (const char* name : kShipped) {
    const auto profile = parse_profile(slurp(kSource / "profiles" / (std::string(name) + ".json")));
    ASSERT_TRUE(profile) << profile.error().message();
    EXPECT_EQ(profile->name, name);
    for (const auto& finding : lint(*profile))
      EXPECT_EQ(finding.level, LintLevel::note) << name << " " << finding.id << " " << finding.text;
  }
}

TEST(Profile, RestrictedHoldsWhatItSays) {
  const auto profile = profile_of(profile_json("restricted"));
  EXPECT_TRUE(unsafe_fields(profile).empty());
  EXPECT_TRUE(profile.capabilities.ceiling.empty());
  EXPECT_EQ(profile.image.level, ImageLevel::content);
  EXPECT_TRUE(profile.rootfs.tmpfs_upper);
  EXPECT_EQ(profile.host.min_kernel_major, 5);
  EXPECT_EQ(profile.host.min_kernel_minor, 10);
}

// Every object of the model refuses a key it does not know, and every key of the shipped profile
// is needed or at least read: renaming it is refused.
TEST(Profile, EveryKeyIsKnownAndEveryOtherRefused) {
  const Json original = profile_json("restricted");
  const Json flat = original.flatten();
  int renamed = 0;
  for (const auto& [text, value] : flat.items()) {
    const Json::json_pointer pointer(text);
    const auto parent = pointer.parent_pointer();
    if (!original[parent].is_object()) continue;
    Json changed = original;
    changed[parent].erase(pointer.back());
    changed[parent][pointer.back() + "x"] = value;
    EXPECT_FALSE(parse_profile(changed.dump())) << text;
    ++renamed;
  }
  EXPECT_GT(renamed, 60);
}

TEST(Profile, EverySectionIsRequired) {
  const Json original = profile_json("baseline");
  for (const auto& [key, value] : original.items()) {
    if (key == "description") continue;
    Json changed = original;
    changed.erase(key);
    const auto profile = parse_profile(changed.dump());
    ASSERT_FALSE(profile) << key;
    EXPECT_EQ(profile.error().rule, "json.missing-key") << key;
    EXPECT_EQ(profile.error().pointer, "/" + key);
  }
}

struct Refusal {
  const char* pointer;
  const char* value;
  const char* rule;
};
class ProfileRefuses : public testing::TestWithParam<Refusal> {};

TEST_P(ProfileRefuses, Value) {
  const auto& c = GetParam();
  Json json = profile_json("restricted");
  json[Json::json_pointer(c.pointer)] = Json::parse(c.value);
  const auto profile = parse_profile(json.dump());
  ASSERT_FALSE(profile) << c.pointer;
  EXPECT_EQ(profile.error().rule, c.rule) << profile.error().message();
  EXPECT_EQ(profile.error().cls, ErrorClass::bad_input);
  EXPECT_FALSE(profile.error().pointer.empty());
}

INSTANTIATE_TEST_SUITE_P(
    All, ProfileRefuses,
    testing::Values(Refusal{"/version", "2", "profile.version"},
                    Refusal{"/extends", "\"x\"", "json.unknown-key"},
                    Refusal{"/name", "\"Re\"", "profile.name"},
                    Refusal{"/name", "\"\"", "profile.name"},
                    Refusal{"/mode", "\"complain\"", "profile.complain"},
                    Refusal{"/mode", "\"off\"", "profile.word"},
                    Refusal{"/namespaces/required/0", "\"mnt\"", "profile.word"},
                    Refusal{"/namespaces/required/0", "\"ipc\"", "profile.list"},
                    Refusal{"/user/root", "\"yes\"", "profile.word"},
                    Refusal{"/user/uids/0/min", "2147483648", "profile.number"},
                    Refusal{"/user/uids/0", "{\"min\":2,\"max\":1}", "profile.number"},
                    Refusal{"/capabilities/ceiling", "[\"chown\"]", "profile.word"},
                    Refusal{"/capabilities/ceiling", "[\"CAP_BPF\"]", "profile.contradiction"},
                    Refusal{"/capabilities/ambient", "\"false\"", "json.type"},
                    Refusal{"/seccomp/deny/0", "\"execve\"", "profile.seccomp-needed"},
                    Refusal{"/seccomp/hide/0", "\"seccomp\"", "profile.seccomp-needed"},
                    Refusal{"/seccomp/hide/0", "\"bpf\"", "profile.contradiction"},
                    Refusal{"/seccomp/socket_families/0", "\"AF_ALGO\"", "profile.word"},
                    Refusal{"/mounts/rules/0/destination", "\"/a/*/b\"", "profile.pattern"},
                    Refusal{"/mounts/rules/0/destination", "\"/a/../b\"", "profile.pattern"},
                    Refusal{"/mounts/rules/0/source", "\"/a\"", "json.unknown-key"},
                    Refusal{"/mounts/rules/0/type", "\"bind\"", "json.missing-key"},
                    Refusal{"/mounts/propagation/0", "\"none\"", "profile.word"},
                    Refusal{"/mounts/engine_files/0", "\"/a/*\"", "profile.pattern"},
                    Refusal{"/devices/allowed", R"([{"path":"/dev/x","type":"a","major":1,"minor":1,
                "access":"r"}])",
                            "profile.word"},
                    Refusal{"/devices/allowed", R"([{"path":"/dev/x","type":"c","major":1,"minor":1,
                "access":""}])",
                            "profile.word"},
                    Refusal{"/sysctls/allowed/0", "\"net.*.x\"", "profile.pattern"},
                    Refusal{"/resources/pids_max", "0", "profile.number"},
                    Refusal{"/resources/cpu_max_millis", "1", "profile.number"},
                    Refusal{"/resources/required", "[\"disk\"]", "profile.word"},
                    Refusal{"/resources/oom_score_adj_min", "-1001", "profile.number"},
                    Refusal{"/rlimits/set/RLIMIT_CORE", "1", "profile.contradiction"},
                    Refusal{"/rlimits/set", "{\"CORE\":1}", "profile.word"},
                    Refusal{"/hooks/allowed", "\"any\"", "profile.word"},
                    Refusal{"/env/denied/0", "\"*LD\"", "profile.pattern"},
                    Refusal{"/network/mode", "\"host\"", "profile.word"},
                    Refusal{"/rootfs/upper_bytes", "5", "profile.number"},
                    Refusal{"/masked_paths/0", "\"proc\"", "profile.pattern"},
                    Refusal{"/image/level", "\"none\"", "profile.contradiction"},
                    Refusal{"/gpu/count", "2", "profile.number"},
                    Refusal{"/gpu/count", "-1", "json.type"},
                    Refusal{"/host/min_kernel", "\"5\"", "profile.number"},
                    Refusal{"/host/min_kernel", "\"5.1.2\"", "profile.number"},
                    Refusal{"/host/facts", "[\"tpm\"]", "profile.word"},
                    Refusal{"/lifetime_seconds", "0", "profile.number"}));

TEST(Profile, RandomDamageNeverCrashesNorPassesSilently) {
  std::mt19937 random(7);
  const std::string base = profile_json("restricted").dump();
  for (int round = 0; round < 1500; ++round) {
    std::string text = base;
    for (int hit = 0; hit < 1 + round % 3; ++hit)
      text[random() % text.size()] = "\"{}[]:,0-9tfn\\\x01\xff"[random() % 17];
    const auto profile = parse_profile(text);
    EXPECT_TRUE(profile || !profile.error().rule.empty());
  }
}

TEST(Profile, DuplicateKeyIsRefused) {
  std::string text = profile_json("lab").dump();
  text.insert(1, "\"mode\":\"enforce\",");
  EXPECT_EQ(parse_profile(text).error().rule, "json.duplicate-key");
}

struct LintCase {
  const char* pointer;
  const char* value;
  const char* id;
};
class Lint : public testing::TestWithParam<LintCase> {};

TEST_P(Lint, Finds) {
  const auto& c = GetParam();
  Json json = profile_json("restricted");
  json[Json::json_pointer(c.pointer)] = Json::parse(c.value);
  const auto findings = lint(profile_of(json));
  const auto at = std::ranges::find(findings, c.id, &LintFinding::id);
  ASSERT_NE(at, findings.end()) << c.id;
  EXPECT_FALSE(at->text.empty());
}

INSTANTIATE_TEST_SUITE_P(
    All, Lint,
    testing::Values(
        LintCase{"/seccomp/deny/0", "\"nosuchcall\"", "P010"},
        LintCase{"/capabilities/ceiling", "[\"CAP_CHWON\"]", "P011"},
        LintCase{"/sysctls/allowed/0", "\"kernel.*\"", "P012"},
        LintCase{"/devices/unsafe_wildcard", "true", "P020"},
        LintCase{"/resources/unsafe_realtime", "true", "P020"},
        LintCase{"/hooks/allowed", "\"unsafe_any\"", "P020"},
        LintCase{"/network/mode", "\"unsafe_host\"", "P020"},
        LintCase{"/capabilities/ceiling", "[\"CAP_NET_ADMIN\"]", "P030"},
        LintCase{"/mounts/rules/0", R"({"type":"bind","source":"/a","destination":"/x",
                 "unsafe_write":true})",
                 "P041"},
        LintCase{"/namespaces/required", "[\"pid\"]", "P050"},
        LintCase{"/namespaces/join", "[\"mount\"]", "P051"},
        LintCase{"/seccomp/deny", "[]", "P060"}, LintCase{"/seccomp/socket_families", "[]", "P061"},
        LintCase{"/seccomp/block_terminal_injection", "false", "P062"},
        LintCase{"/seccomp/block_user_namespaces", "false", "P063"},
        LintCase{"/masked_paths", "[]", "P070"}, LintCase{"/readonly_paths", "[]", "P071"},
        LintCase{"/process/args_from", "\"any\"", "P081"},
        LintCase{"/exec/allowed", "true", "P082"}, LintCase{"/dataset/targets", "[]", "P083"},
        LintCase{"/rootfs/tmpfs_upper", "false", "P084"}, LintCase{"/image/signers", "[]", "P085"},
        LintCase{"/env/denied", "[]", "P110"}));

TEST(LintMounts, WideSourcesThatNothingForbids) {
  Json json = profile_json("baseline");
  json["mounts"]["forbidden_sources"] = Json::array();
  const auto findings = lint(profile_of(json));
  EXPECT_NE(std::ranges::find(findings, "P040", &LintFinding::id), findings.end());
}

}  // namespace
}  // namespace casemate::policy
