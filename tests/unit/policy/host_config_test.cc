#include "policy/host_config.h"

#include <random>

#include "tests/unit/policy/fixture.h"

namespace casemate::policy {
namespace {

const char* const kConfig = R"({
  "version": 1,
  "paths": {"data": "/srv/casemate"},
  "signers": [{"name": "acme-release", "key": "/etc/casemate/trust.d/acme-release.pub"}],
  "schedulers": [{"name": "slurm", "key": "/etc/casemate/trust.d/slurm.pub", "tenants": ["acme"],
                  "profiles": ["restricted"], "images": ["registry.example/acme/*"]}],
  "tenants": [{"name": "acme", "keys": ["/etc/casemate/trust.d/acme.pub"], "datasets": ["di*"]}],
  "keys": [{"kid": "file:host-2026", "file": "/etc/casemate/keys/host.jwk"}],
  "hooks": [{"path": "/usr/sbin/dockerd"}],
  "rules": [{"job": true, "tenants": ["acme"], "images": ["registry.example/acme/*"],
             "profile": "restricted"},
            {"job": false, "profile": "baseline"}, {"deny": true}]})";

HostConfig config() {
  auto parsed = parse_host_config(kConfig);
  EXPECT_TRUE(parsed) << parsed.error().message();
  return parsed.value_or(HostConfig{});
}

TEST(HostConfig, ParsesWithDefaults) {
  const auto c = config();
  EXPECT_EQ(c.paths.state, "/run/casemate");
  EXPECT_EQ(c.paths.data, "/srv/casemate");
  EXPECT_EQ(c.paths.profiles.size(), 2U);
  EXPECT_NE(c.signer("acme-release"), nullptr);
  EXPECT_EQ(c.signer("acme"), nullptr);
  EXPECT_NE(c.key("file:host-2026"), nullptr);
  EXPECT_FALSE(c.hooks.front().sha256);
}

struct Refusal {
  const char* pointer;
  const char* value;
  const char* rule;
};
class HostRefuses : public testing::TestWithParam<Refusal> {};

TEST_P(HostRefuses, Value) {
  const auto& c = GetParam();
  Json json = Json::parse(kConfig);
  json[Json::json_pointer(c.pointer)] = Json::parse(c.value);
  const auto parsed = parse_host_config(json.dump());
  ASSERT_FALSE(parsed) << c.pointer;
  EXPECT_EQ(parsed.error().rule, c.rule) << parsed.error().message();
}

INSTANTIATE_TEST_SUITE_P(
    All, HostRefuses,
    testing::Values(Refusal{"/version", "0", "host.version"},
                    Refusal{"/rules", "[]", "host.last-rule"},
                    Refusal{"/rules/2", R"({"job":true,"deny":true})", "host.last-rule"},
                    Refusal{"/rules/2", R"({"profile":"lab"})", "host.last-rule"},
                    Refusal{"/rules/1", R"({"job":false})", "host.rule"},
                    Refusal{"/rules/1", R"({"profile":"x","deny":true})", "host.rule"},
                    Refusal{"/rules/0/images/0", "\"*\"", "host.image-pattern"},
                    Refusal{"/rules/0/images/0", "\"/*\"", "host.image-pattern"},
                    Refusal{"/rules/0/images/0", "\"a*/b\"", "host.image-pattern"},
                    Refusal{"/rules/0/images/0", "\"reg/acme*\"", "host.image-pattern"},
                    Refusal{"/rules/0/images/0", "\"\"", "host.image-pattern"},
                    Refusal{"/rules/0/label", "\"x\"", "json.unknown-key"},
                    Refusal{"/paths/state", "\"run\"", "host.path"},
                    Refusal{"/paths/profiles", "[\"/a/../b\"]", "host.path"},
                    Refusal{"/signers/0/key", "\"k.pub\"", "host.path"},
                    Refusal{"/signers/1", R"({"name":"acme-release","key":"/k"})",
                            "host.duplicate"},
                    Refusal{"/schedulers/0/name", "\"*\"", "host.name"},
                    Refusal{"/tenants/0/datasets/0", "\"a*b\"", "host.pattern"},
                    Refusal{"/hooks/0/sha256", "\"AB\"", "host.sha256"},
                    Refusal{"/fail_open", "true", "json.unknown-key"}));

TEST(HostConfig, ImagePatterns) {
  EXPECT_TRUE(image_matches("r/acme/*", "r/acme/train"));
  EXPECT_TRUE(image_matches("r/acme/*", "r/acme/a/b"));
  EXPECT_FALSE(image_matches("r/acme/*", "r/acme"));
  EXPECT_FALSE(image_matches("r/acme/*", "r/acme/"));
  EXPECT_FALSE(image_matches("r/acme/*", "r/acme2/train"));
  EXPECT_FALSE(image_matches("r/acme/*", "evil/r/acme/train"));
  EXPECT_TRUE(image_matches("r/acme", "r/acme"));
  EXPECT_FALSE(image_matches("r/acme", "r/acme/x"));
  EXPECT_FALSE(image_matches("", ""));
  EXPECT_FALSE(image_matches("/*", "/x"));
}

TEST(SelectProfile, FirstMatchElseDeny) {
  const auto c = config();
  JobRequest job = good_job();
  EXPECT_EQ(*select_profile(c, {&job, ""}), "restricted");
  EXPECT_EQ(*select_profile(c, {nullptr, ""}), "baseline");
  EXPECT_EQ(*select_profile(c, {nullptr, "acme"}), "baseline");
  job.tenant = "other";
  EXPECT_EQ(select_profile(c, {&job, "acme"}).error().rule, "selection.denied");
  job = good_job();
  job.image_repository = "registry.example/acme2/train";
  EXPECT_EQ(select_profile(c, {&job, ""}).error().rule, "selection.denied");
  job = good_job();
  job.profile = "baseline";
  EXPECT_EQ(select_profile(c, {&job, ""}).error().rule, "selection.profile");
}

TEST(SelectProfile, ImageRulesNeverMatchWithoutAJob) {
  Json json = Json::parse(kConfig);
  json["rules"][1] = {{"images", {"registry.example/acme/*"}}, {"profile", "lab"}};
  const auto c = parse_host_config(json.dump());
  ASSERT_TRUE(c);
  EXPECT_EQ(select_profile(*c, {nullptr, ""}).error().rule, "selection.denied");
}

TEST(SelectProfile, EmptyListsMatchNothing) {
  Json json = Json::parse(kConfig);
  json["rules"][0]["tenants"] = Json::array();
  const auto c = parse_host_config(json.dump());
  ASSERT_TRUE(c);
  const JobRequest job = good_job();
  EXPECT_EQ(select_profile(*c, {&job, ""}).error().rule, "selection.denied");
}

TEST(SchedulerMay, EachBound) {
  const auto c = config();
  const JobRequest good = good_job();
  EXPECT_TRUE(scheduler_may(c, "slurm", good));
  EXPECT_EQ(scheduler_may(c, "nomad", good).error().rule, "job.scheduler");
  JobRequest job = good;
  job.tenant = "other";
  EXPECT_EQ(scheduler_may(c, "slurm", job).error().rule, "job.tenant");
  job = good;
  job.profile = "baseline";
  EXPECT_EQ(scheduler_may(c, "slurm", job).error().rule, "job.profile");
  job = good;
  job.image_repository = "registry.example/acme";
  EXPECT_EQ(scheduler_may(c, "slurm", job).error().rule, "job.image");
}

TEST(TenantMayUse, OnlyHisOwn) {
  const auto c = config();
  EXPECT_TRUE(tenant_may_use(c, "acme", "digits"));
  EXPECT_EQ(tenant_may_use(c, "acme", "wine").error().rule, "dataset.tenant");
  EXPECT_EQ(tenant_may_use(c, "other", "digits").error().rule, "dataset.tenant");
}

TEST(HostConfig, RandomDamageNeverCrashes) {
  std::mt19937 random(5);
  const std::string base = Json::parse(kConfig).dump();
  for (int round = 0; round < 3000; ++round) {
    std::string text = base;
    for (int hit = 0; hit < 1 + round % 3; ++hit)
      text[random() % text.size()] = "\"{}[]:,0-9*/.\\\x01\xff"[random() % 17];
    const auto parsed = parse_host_config(text);
    EXPECT_TRUE(parsed || !parsed.error().rule.empty());
  }
}

}  // namespace
}  // namespace casemate::policy
