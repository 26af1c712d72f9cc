// What a job's request and image decide; exec; explain.
#include <algorithm>

#include "policy/decide.h"
#include "policy/explain.h"
#include "tests/unit/policy/fixture.h"

namespace casemate::policy {
namespace {

TEST(Decide, TheJobsDataAndGpu) {
  const auto with_job = [](auto change, int gpus = 0, const char* name = "restricted") {
    JobContext context = job_context();
    change(*context.job);
    HostFacts host = good_host();
    host.gpus.resize(static_cast<std::size_t>(gpus));
    return decide_profile(name, {}, {}, context, host);
  };
  EXPECT_NE(find_rule(with_job([](JobRequest& j) { j.datasets[0].target = "/usr/lib"; }),
                      "dataset.target"),
            nullptr);
  EXPECT_NE(find_rule(with_job([](JobRequest& j) { j.datasets[0].target = "/proc/x"; }),
                      "dataset.target"),
            nullptr);
  EXPECT_FALSE(with_job([](JobRequest& j) { j.datasets[0].target = "/data/digits"; }).denied);
  EXPECT_NE(find_rule(with_job([](JobRequest& j) { j.gpu = 1; }), "gpu.present"), nullptr);
  EXPECT_FALSE(with_job([](JobRequest& j) { j.gpu = 1; }, 1).denied);
  EXPECT_NE(find_rule(with_job([](JobRequest& j) { j.profile = "lab"; }), "job.profile"), nullptr);
  const auto plain = with_job(
      [](JobRequest& j) {
        j.gpu = 1;
        j.profile = "baseline";
      },
      1, "baseline");
  EXPECT_NE(find_rule(plain, "gpu.count"), nullptr);
  EXPECT_NE(find_rule(plain, "dataset.allowed"), nullptr);
}

TEST(Decide, TheJobMayNameItsProgram) {
  JobContext context = job_context();
  context.job->process = JobProcess{{{"/bin/eval"}}, {"MODE=slow", "EXTRA=1"}, "/tmp"};
  Json config = job_config();
  EXPECT_TRUE(
      decide(spec_of(config), profile_of(profile_json("restricted")), good_host(), context).denied);
  config["process"]["args"] = {"/bin/eval"};
  config["process"]["cwd"] = "/tmp";
  config["process"]["env"] = {"PATH=/usr/bin:/bin", "MODE=slow", "EXTRA=1"};
  const auto fits =
      decide(spec_of(config), profile_of(profile_json("restricted")), good_host(), context);
  EXPECT_FALSE(fits.denied) << rules_of(fits);
}

TEST(Decide, WithoutAVerifiedImageNothingRunsAsAJob) {
  JobContext context = job_context();
  context.image.reset();
  const auto decision =
      decide(spec_of(job_config()), profile_of(profile_json("restricted")), good_host(), context);
  EXPECT_NE(find_rule(decision, "image.unverified"), nullptr);
  EXPECT_NE(find_rule(decision, "process.args"), nullptr);
}

TEST(Decide, NamedImageUsersNeedTheirNumbers) {
  JobContext context = job_context();
  context.image->user = "trainer";
  const auto run = [&] {
    return decide(spec_of(job_config()), profile_of(profile_json("restricted")), good_host(),
                  context);
  };
  EXPECT_NE(find_rule(run(), "process.user"), nullptr);
  context.image->uid = 1000;
  context.image->gid = 1000;
  EXPECT_EQ(find_rule(run(), "process.user"), nullptr);
  context.image->gid = 1001;
  EXPECT_NE(find_rule(run(), "process.user"), nullptr);
}

// A job's uid is somebody's decision who signed for it; a caller could choose his own.
TEST(Decide, SomebodyWhoSignedNamesTheUser) {
  JobContext context = job_context();
  const auto run = [&] { return decide_profile("restricted", {}, {}, context); };
  context.image->user.clear();
  EXPECT_NE(find_rule(run(), "process.user"), nullptr);
  context.job->process = JobProcess{};
  EXPECT_NE(find_rule(run(), "process.user"), nullptr);
  context.job->process->user = JobUser{1000, 1000};
  EXPECT_FALSE(run().denied) << rules_of(run());
  context.job->process->user = JobUser{1000, {}};
  EXPECT_FALSE(run().denied);
  context.job->process->user = JobUser{1001, 1000};
  EXPECT_NE(find_rule(run(), "process.user"), nullptr);
  context.job->process->user = JobUser{1000, 1001};
  EXPECT_NE(find_rule(run(), "process.user"), nullptr);
  // The job's word goes before the image's.
  context.image->user = "1001:1000";
  context.job->process->user = JobUser{1000, 1000};
  EXPECT_FALSE(run().denied) << rules_of(run());
}

// What an engine binds is a file of that name: no folder, and no link to another one.
TEST(Decide, EngineFilesAreFiles) {
  const Json hosts = {{"destination", "/etc/hosts"}, {"type", "bind"}, {"source", "/srv/hosts"}};
  Json config = job_config();
  config["mounts"].push_back(hosts);
  JobContext context = job_context();
  const auto run = [&] {
    return decide(spec_of(config), profile_of(profile_json("restricted")), good_host(), context);
  };
  EXPECT_FALSE(run().denied) << rules_of(run());
  context.resolved["/srv/hosts"] = "/srv/secrets";
  EXPECT_NE(find_rule(run(), "mounts.rule"), nullptr);
  context.resolved["/srv/hosts"] = "/mnt/srv/hosts";
  EXPECT_FALSE(run().denied) << rules_of(run());
  context.regular_files.erase("/srv/hosts");
  EXPECT_NE(find_rule(run(), "mounts.rule"), nullptr);
}

// A filter that answers a call without making it would feed the verified program the caller's
// input.
TEST(Decide, AFilterOfAJobDoesNotAnswerCalls) {
  const auto with = [](const Json& rule, const char* name = "restricted") {
    const Json patch = {{"linux", {{"seccomp", rule}}}};
    return find_rule(decide_profile(name, {}, patch, job_context()), "seccomp.answers");
  };
  const auto rule = [](const char* action, const Json& extra) {
    Json one = {{"names", {"openat"}}, {"action", action}};
    one.update(extra);
    return Json{{"defaultAction", "SCMP_ACT_ALLOW"}, {"syscalls", Json::array({one})}};
  };
  EXPECT_NE(with(rule("SCMP_ACT_ERRNO", {{"errnoRet", 0}})), nullptr);
  EXPECT_NE(with(rule("SCMP_ACT_TRACE", Json::object())), nullptr);
  EXPECT_NE(with(rule("SCMP_ACT_TRAP", Json::object())), nullptr);
  EXPECT_EQ(with(rule("SCMP_ACT_ERRNO", {{"errnoRet", 38}})), nullptr);
  EXPECT_EQ(with(rule("SCMP_ACT_ERRNO", Json::object())), nullptr);
  EXPECT_EQ(with(rule("SCMP_ACT_KILL_PROCESS", Json::object())), nullptr);
  EXPECT_NE(with({{"defaultAction", "SCMP_ACT_ERRNO"}, {"defaultErrnoRet", 0}}), nullptr);
  EXPECT_EQ(with(rule("SCMP_ACT_TRAP", Json::object()), "baseline"), nullptr);
}

TEST(Decide, DataDoesNotReachSwap) {
  HostFacts host = good_host();
  const auto run = [&](const Json& memory) {
    const Json patch = {{"linux", {{"resources", {{"memory", memory}}}}}};
    return decide_profile("restricted", {}, patch, job_context(), host);
  };
  EXPECT_FALSE(run({}).spec.linux.resources.memory.swap);
  host.swap_active = true;
  EXPECT_NE(find_rule(run(Json(nullptr)), "dataset.swap"), nullptr);
  EXPECT_TRUE(run(Json(nullptr)).denied);
  for (const Json& memory : {Json{{"limit", 1000}}, Json{{"limit", 1000}, {"swap", 2000}},
                             Json{{"limit", 1000}, {"swap", -1}}}) {
    const auto decision = run(memory);
    EXPECT_FALSE(decision.denied) << rules_of(decision);
    EXPECT_EQ(decision.spec.linux.resources.memory.swap, 1000) << memory;
  }
}

// Memory beyond a ceiling must not go on in swap.
TEST(Decide, ACeilingOfMemoryIsOneOfSwapToo) {
  HostFacts host = good_host();
  const Json patch = {{"resources", {{"memory_max", 1000}}}};
  const auto run = [&] { return decide_profile("baseline", patch, {}, host_context(), host); };
  EXPECT_FALSE(run().spec.linux.resources.memory.swap);
  host.swap_active = true;
  EXPECT_EQ(run().spec.linux.resources.memory.swap, 1000);
}

TEST(DecideExec, BoundsAndRefuses) {
  const auto baseline = profile_of(profile_json("baseline"));
  const auto container =
      decide(spec_of(sample_json("docker20-default")), baseline, good_host(), host_context());
  for (const char* name : {"docker20-exec", "docker20-exec-tty", "ctr16-exec", "podman43-exec"}) {
    const auto process =
        oci::parse_process(slurp(kSamples / (std::string(name) + ".process.json")));
    ASSERT_TRUE(process);
    const auto decision =
        decide_exec(*process, container.spec, baseline, good_host(), host_context());
    EXPECT_FALSE(decision.denied) << name << rules_of(decision);
  }
  oci::Process process;
  process.args = {"/bin/sh"};
  process.cwd = "/proc/self/fd/8";
  process.capabilities = oci::Capabilities{{"CAP_SYS_ADMIN"}, {}, {"CAP_NET_RAW"}, {}, {}};
  const auto bad = decide_exec(process, container.spec, baseline, good_host(), host_context());
  EXPECT_EQ(find_rule(bad, "process.cwd-proc")->pointer, "/cwd");
  EXPECT_NE(find_rule(bad, "capabilities.refused"), nullptr);
  EXPECT_TRUE(bad.spec.process->capabilities->inheritable.empty());
  const auto job = decide_exec(process, container.spec, profile_of(profile_json("restricted")),
                               good_host(), job_context());
  EXPECT_EQ(refusal(job).rule, "exec.allowed");
}

TEST(Explain, OneLineForEachFindingAndNoControlCharacters) {
  Json config = sample_json("docker20-default");
  config["process"]["env"].push_back("A=b\nc");
  config["process"]["cwd"] = "/proc/\xc2\x9b";
  const auto decision =
      decide(spec_of(config), profile_of(profile_json("baseline")), good_host(), host_context());
  const std::string text = explain_text(decision);
  EXPECT_EQ(static_cast<std::size_t>(std::ranges::count(text, '\n')),
            1 + decision.findings.size() + decision.unsafe.size());
  EXPECT_NE(text.find("denied"), std::string::npos);
  EXPECT_NE(text.find("[env.control-characters]"), std::string::npos);
}

}  // namespace
}  // namespace casemate::policy
