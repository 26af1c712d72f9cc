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
