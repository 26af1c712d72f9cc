// What the container itself was given bounds every further program in it.
#include <algorithm>

#include "tests/unit/policy/fixture.h"

namespace casemate::policy {
namespace {

using Names = std::vector<std::string>;

class DecideExecContainer : public testing::Test {
 protected:
  DecideExecContainer() {
    container.args = asked.args = {"/bin/true"};
    container.cwd = asked.cwd = "/";
    container.capabilities =
        oci::Capabilities{.bounding = {"CAP_CHOWN", "CAP_KILL"}, .effective = {}, .permitted = {}};
    asked.capabilities = oci::Capabilities{};
  }

  Decision decided() {
    oci::Spec spec;
    spec.process = container;
    return decide_exec(asked, spec, profile, host, {});
  }
  const oci::Process& bounded(const Decision& decision) { return *decision.spec.process; }

  Profile profile = profile_of(profile_json("baseline"));
  HostFacts host = good_host();
  oci::Process container, asked;
};

TEST_F(DecideExecContainer, CapabilitiesBeyondItsOwnAreDroppedOrDenied) {
  asked.capabilities->bounding = {"CAP_KILL", "CAP_NET_RAW"};
  asked.capabilities->permitted = {"CAP_NET_RAW"};
  const auto dropped = decided();
  EXPECT_FALSE(dropped.denied) << rules_of(dropped);
  EXPECT_NE(find_rule(dropped, "exec.capabilities"), nullptr);
  EXPECT_EQ(bounded(dropped).capabilities->bounding, Names{"CAP_KILL"});
  EXPECT_TRUE(bounded(dropped).capabilities->permitted.empty());
  profile.capabilities.beyond = Beyond::deny;
  EXPECT_EQ(refusal(decided()).rule, "exec.capabilities");
  asked.capabilities->bounding = {"CAP_KILL"};
  asked.capabilities->permitted = {"CAP_KILL"};
  EXPECT_FALSE(decided().denied);
}

TEST_F(DecideExecContainer, RefusedCapabilitiesStayRefused) {
  asked.capabilities->bounding = {"CAP_SYS_ADMIN"};
  EXPECT_EQ(refusal(decided()).rule, "capabilities.refused");
}

TEST_F(DecideExecContainer, NoCapabilitiesMeansNone) {
  container.capabilities.reset();
  asked.capabilities->effective = asked.capabilities->permitted = {"CAP_KILL"};
  const auto decision = decided();
  EXPECT_TRUE(bounded(decision).capabilities->effective.empty());
  EXPECT_TRUE(bounded(decision).capabilities->permitted.empty());
}

TEST_F(DecideExecContainer, NoNewPrivilegesIsInherited) {
  EXPECT_FALSE(bounded(decided()).no_new_privileges);
  container.no_new_privileges = true;
  const auto decision = decided();
  EXPECT_TRUE(bounded(decision).no_new_privileges);
  EXPECT_NE(find_rule(decision, "exec.no-new-privileges"), nullptr);
}

TEST_F(DecideExecContainer, LimitsAreCeilingsAndDefaults) {
  container.rlimits = {{"RLIMIT_NOFILE", 200, 100}, {"RLIMIT_CORE", 0, 0}};
  container.oom_score_adj = 12;
  asked.rlimits = {{"RLIMIT_NOFILE", 4096, 2048}, {"RLIMIT_NPROC", 9, 9}};
  const auto decision = decided();
  const auto& limits = bounded(decision).rlimits;
  ASSERT_EQ(limits.size(), 3u);
  EXPECT_EQ(limits[0].hard, 200u);
  EXPECT_EQ(limits[0].soft, 200u);
  EXPECT_EQ(limits[1].type, "RLIMIT_NPROC");
  EXPECT_EQ(limits[2].type, "RLIMIT_CORE");
  EXPECT_EQ(bounded(decision).oom_score_adj, 12);
  asked.rlimits = {{"RLIMIT_NOFILE", 150, 50}};
  asked.oom_score_adj = 13;
  const auto lower = decided();
  EXPECT_EQ(bounded(lower).rlimits[0].hard, 150u);
  EXPECT_EQ(bounded(lower).oom_score_adj, 13);
}

// As with runc: what the container's process got, unless something else is asked; and bounded
// again.
TEST_F(DecideExecContainer, SchedulingIsTheContainersUnlessAsked) {
  container.scheduler = oci::Scheduler{.policy = "SCHED_BATCH", .nice = 7};
  container.io_priority = oci::IoPriority{.io_class = "IOPRIO_CLASS_IDLE"};
  container.exec_cpu_affinity = oci::ExecCpuAffinity{.final = {1}};
  const auto inherited = decided();
  EXPECT_EQ(bounded(inherited).scheduler->nice, 7);
  EXPECT_EQ(bounded(inherited).io_priority->io_class, "IOPRIO_CLASS_IDLE");
  EXPECT_EQ(bounded(inherited).exec_cpu_affinity->final, std::vector<std::uint32_t>{1});
  asked.scheduler = oci::Scheduler{.policy = "SCHED_OTHER", .nice = -5};
  const auto bounded_again = decided();
  EXPECT_EQ(bounded(bounded_again).scheduler->policy, "SCHED_OTHER");
  EXPECT_EQ(bounded(bounded_again).scheduler->nice, 0);
  EXPECT_EQ(find_rule(bounded_again, "scheduler.nice")->pointer, "/scheduler/nice");
  asked.scheduler->policy = "SCHED_FIFO";
  EXPECT_EQ(refusal(decided()).rule, "scheduler.realtime");
}

TEST_F(DecideExecContainer, TheCallersPersonalityIsNotInherited) {
  EXPECT_EQ(decided().spec.linux.personality, "");
  host.personality = 0x0040000;  // setarch -R
  const auto decision = decided();
  EXPECT_FALSE(decision.denied);
  EXPECT_EQ(decision.spec.linux.personality, "LINUX");
  EXPECT_NE(find_rule(decision, "process.personality"), nullptr);
}

TEST_F(DecideExecContainer, TheLabelIsTheContainers) {
  host.selinux = true;
  container.selinux_label = "system_u:system_r:container_t:s0:c1,c2";
  const auto inherited = decided();
  EXPECT_FALSE(inherited.denied) << rules_of(inherited);
  EXPECT_EQ(bounded(inherited).selinux_label, container.selinux_label);
  // Another container's categories would open that container's files.
  asked.selinux_label = "system_u:system_r:container_t:s0:c3,c4";
  EXPECT_EQ(refusal(decided()).rule, "exec.label");
  asked.selinux_label = container.selinux_label;
  EXPECT_FALSE(decided().denied);
}

TEST_F(DecideExecContainer, TheProfileStillHolds) {
  asked.terminal = true;
  EXPECT_FALSE(decided().denied);
  profile.process.terminal = false;
  EXPECT_EQ(refusal(decided()).rule, "process.terminal");
  asked.terminal = false;
  profile.env.denied = {"LD_*"};
  asked.env = {"LD_PRELOAD=/evil.so"};
  const auto denied = decided();
  EXPECT_EQ(refusal(denied).rule, "env.denied");
  EXPECT_EQ(find_rule(denied, "env.denied")->pointer, "/env/0");
  asked.env.clear();
  profile.exec.allowed = false;
  EXPECT_EQ(refusal(decided()).rule, "exec.allowed");
  profile.mode = Mode::complain;
  EXPECT_FALSE(decided().denied);
  EXPECT_TRUE(decided().tainted);
}

}  // namespace
}  // namespace casemate::policy
