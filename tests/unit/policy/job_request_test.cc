#include "policy/job_request.h"

#include <random>

#include "tests/unit/policy/fixture.h"

namespace casemate::policy {
namespace {

const char* const kJob = R"({
  "version": 1, "tenant": "acme",
  "image": {"digest": "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "repository": "registry.example:5000/acme/train"},
  "process": {"args": ["/bin/x", "-v"], "env": ["A=b"], "cwd": "/w", "user": "1000:100"},
  "datasets": [{"id": "digits", "source": "/srv/digits.sealed", "target": "/data"}],
  "profile": "restricted", "gpu": 0, "issued": "2026-01-02T03:04:05Z",
  "expires": "2026-01-02T04:04:05Z", "nonce": "0123456789abcdef0123456789abcdef"})";

TEST(JobRequest, ParsesAndWritesBack) {
  const auto job = parse_job_request(kJob);
  ASSERT_TRUE(job) << job.error().message();
  EXPECT_EQ(job->tenant, "acme");
  EXPECT_EQ(job->process->args->size(), 2U);
  EXPECT_EQ(job->process->user->uid, 1000U);
  EXPECT_EQ(job->process->user->gid, 100U);
  EXPECT_EQ(job->datasets.front().target, "/data");
  EXPECT_EQ(job->expires - job->issued, 3600);
  EXPECT_EQ(dump(to_json(*job)), Json::parse(kJob).dump());
}

TEST(JobRequest, AUserWithoutAGroup) {
  Json json = Json::parse(kJob);
  json["process"]["user"] = "0";
  const auto job = parse_job_request(json.dump());
  ASSERT_TRUE(job) << job.error().message();
  EXPECT_EQ(job->process->user->uid, 0U);
  EXPECT_FALSE(job->process->user->gid);
  EXPECT_EQ(to_json(*job)["process"]["user"], "0");
}

TEST(JobRequest, ProcessIsOptional) {
  Json json = Json::parse(kJob);
  json.erase("process");
  const auto job = parse_job_request(json.dump());
  ASSERT_TRUE(job);
  EXPECT_FALSE(job->process);
  EXPECT_FALSE(to_json(*job).contains("process"));
}

struct Refusal {
  const char* pointer;
  const char* value;
  const char* rule;
};
class JobRefuses : public testing::TestWithParam<Refusal> {};

TEST_P(JobRefuses, Value) {
  const auto& c = GetParam();
  Json json = Json::parse(kJob);
  json[Json::json_pointer(c.pointer)] = Json::parse(c.value);
  const auto job = parse_job_request(json.dump());
  ASSERT_FALSE(job) << c.pointer << " " << c.value;
  EXPECT_EQ(job.error().rule, c.rule) << job.error().message();
}

INSTANTIATE_TEST_SUITE_P(
    All, JobRefuses,
    testing::Values(
        Refusal{"/version", "2", "job.version"}, Refusal{"/tenant", "\"a b\"", "job.name"},
        Refusal{"/tenant", "\"../x\"", "job.name"}, Refusal{"/profile", "\"\"", "job.name"},
        Refusal{"/image/digest", "\"sha256:AA\"", "job.digest"},
        Refusal{"/image/digest", "\"latest\"", "job.digest"},
        Refusal{"/image/repository", "\"a/b:tag\"", "job.repository"},
        Refusal{"/image/repository", "\"a/../b\"", "job.repository"},
        Refusal{"/image/repository", "\"\"", "job.repository"},
        Refusal{"/image/repository", "\"a/b@sha256\"", "job.repository"},
        Refusal{"/image/repository", "\"a/*\"", "job.repository"},
        Refusal{"/process/args", "[]", "job.args"}, Refusal{"/process/env/0", "\"x\"", "job.env"},
        Refusal{"/process/cwd", "\"w\"", "job.path"}, Refusal{"/process/user", "\"\"", "job.user"},
        Refusal{"/process/user", "1000", "json.type"},
        Refusal{"/process/user", "\"train\"", "job.user"},
        Refusal{"/process/user", "\"1000:\"", "job.user"},
        Refusal{"/process/user", "\":1000\"", "job.user"},
        Refusal{"/process/user", "\"1000:1:1\"", "job.user"},
        Refusal{"/process/user", "\"-1\"", "job.user"},
        Refusal{"/process/user", "\"4294967296\"", "job.user"},
        Refusal{"/process/user", "\"2147483648\"", "job.user"},
        Refusal{"/process/group", "\"0\"", "json.unknown-key"},
        Refusal{"/datasets/0/source", "\"/a/../b\"", "job.path"},
        Refusal{"/datasets/0/target", "\"/a/\"", "job.path"},
        Refusal{"/datasets/0/target", "\"/a\\n\"", "job.path"},
        Refusal{"/datasets/0/id", "\"a/b\"", "job.name"},
        Refusal{"/datasets/1", R"({"id":"x","source":"/x","target":"/data/x"})", "job.target"},
        Refusal{"/gpu", "2", "job.gpu"}, Refusal{"/gpu", "\"1\"", "json.type"},
        Refusal{"/issued", "\"2026-01-02T05:00:00Z\"", "job.time"},
        Refusal{"/expires", "\"tomorrow\"", "job.time"}, Refusal{"/nonce", "\"0123\"", "job.nonce"},
        Refusal{"/nonce", "\"0123456789ABCDEF0123456789abcdef\"", "job.nonce"},
        Refusal{"/privileged", "true", "json.unknown-key"}));

TEST(JobRequest, EveryKeyIsReadAndNoOtherAccepted) {
  const Json original = Json::parse(kJob);
  const Json flat = original.flatten();
  for (const auto& [text, value] : flat.items()) {
    const Json::json_pointer pointer(text);
    if (!original[pointer.parent_pointer()].is_object()) continue;
    Json changed = original;
    changed[pointer.parent_pointer()][pointer.back() + "x"] = value;
    EXPECT_EQ(parse_job_request(changed.dump()).error().rule, "json.unknown-key") << text;
  }
}

TEST(JobRequest, Times) {
  JobRequest job = good_job();
  EXPECT_TRUE(check_times(job, 1'000'000));
  EXPECT_TRUE(check_times(job, 999'940));
  EXPECT_EQ(check_times(job, 999'939).error().rule, "job.not-yet-valid");
  EXPECT_TRUE(check_times(job, 1'003'659));
  EXPECT_EQ(check_times(job, 1'003'660).error().rule, "job.expired");
  EXPECT_EQ(check_times(job, 1'003'600, 0).error().cls, ErrorClass::denied);
}

TEST(JobRequest, RandomDamageNeverCrashes) {
  std::mt19937 random(3);
  const std::string base = Json::parse(kJob).dump();
  for (int round = 0; round < 4000; ++round) {
    std::string text = base;
    for (int hit = 0; hit < 1 + round % 3; ++hit)
      text[random() % text.size()] = static_cast<char>(random() % 256);
    if (round % 7 == 0) text.resize(random() % text.size());
    const auto job = parse_job_request(text);
    EXPECT_TRUE(job || !job.error().rule.empty());
  }
}

}  // namespace
}  // namespace casemate::policy
