#include "shim/plan/scheduling.h"

#include <gtest/gtest.h>
#include <linux/ioprio.h>
#include <linux/mempolicy.h>
#include <linux/sched.h>
#include <sys/personality.h>

#include "shim/plan/check.h"
#include "tests/unit/base/outcome.h"

namespace casemate::plan {
namespace {

using Numbers = std::vector<std::uint32_t>;

TEST(Scheduling, TheKernelsNumbers) {
  EXPECT_EQ(scheduler_numbers({.policy = "SCHED_FIFO"}).policy, unsigned{SCHED_FIFO});
  EXPECT_EQ(scheduler_numbers({.policy = "SCHED_DEADLINE"}).policy, unsigned{SCHED_DEADLINE});
  EXPECT_EQ(scheduler_numbers({.flags = {"SCHED_FLAG_RECLAIM", "SCHED_FLAG_DL_OVERRUN"}}).flags,
            6u);
  EXPECT_EQ(io_priority_number({"IOPRIO_CLASS_IDLE", 3}), IOPRIO_CLASS_IDLE << 13 | 3);
  EXPECT_EQ(personality_number("LINUX32"), PER_LINUX32);
  EXPECT_EQ(personality_number("LINUX"), PER_LINUX);
  for (const auto mode : oci::memory_policy_modes())
    EXPECT_EQ(memory_policy_mode({.mode = std::string(mode)}) == 0, mode == "MPOL_DEFAULT") << mode;
  for (const auto flag : oci::memory_policy_flags())
    EXPECT_NE(memory_policy_mode({.mode = "MPOL_DEFAULT", .flags = {std::string(flag)}}), 0);
}

// What the kernel shows of a plan that was carried out.
Observed honest(const oci::Scheduler& asked) {
  Observed seen{.session_leader = true};
  seen.scheduler = scheduler_numbers(asked);
  return seen;
}

TEST(Scheduling, EveryValueThatCountsIsCompared) {
  const oci::Scheduler batch{
      .policy = "SCHED_BATCH", .nice = 5, .flags = {"SCHED_FLAG_RESET_ON_FORK"}};
  const oci::Scheduler fifo{.policy = "SCHED_FIFO", .priority = 10};
  const oci::Scheduler deadline{
      .policy = "SCHED_DEADLINE", .runtime = 1, .deadline = 2, .period = 3};
  const auto differs = [](const oci::Scheduler& asked, auto change) {
    Observed seen = honest(asked);
    change(seen.scheduler);
    return rule_of(check({{SetScheduler{asked}}}, seen));
  };
  const auto as_it_is = [](ObservedScheduler&) {};
  for (const auto& asked : {batch, fifo, deadline})
    EXPECT_EQ(differs(asked, as_it_is), "(success)") << asked.policy;
  for (const auto& asked : {batch, fifo, deadline})
    EXPECT_EQ(differs(asked, [](auto& s) { s.policy = SCHED_NORMAL; }), "readback.scheduler");
  EXPECT_EQ(differs(batch, [](auto& s) { s.nice = 0; }), "readback.scheduler");
  EXPECT_EQ(differs(batch, [](auto& s) { s.flags = 0; }), "readback.scheduler");
  EXPECT_EQ(differs(fifo, [](auto& s) { s.priority = 9; }), "readback.scheduler");
  EXPECT_EQ(differs(fifo, [](auto& s) { s.nice = 3; }), "(success)") << "not heeded";
  EXPECT_EQ(differs(deadline, [](auto& s) { s.runtime = 2; }), "readback.scheduler");
  EXPECT_EQ(differs(deadline, [](auto& s) { s.deadline = 3; }), "readback.scheduler");
  EXPECT_EQ(differs(deadline, [](auto& s) { s.period = 4; }), "readback.scheduler");
  oci::Scheduler implicit = deadline;
  implicit.period = 0;
  EXPECT_EQ(differs(implicit, [](auto& s) { s.period = 2; }), "(success)");
}

TEST(Scheduling, IoPriorityProcessorsAndPersonality) {
  Observed seen{.session_leader = true};
  const Plan io{{SetIoPriority{{"IOPRIO_CLASS_BE", 7}}}};
  EXPECT_EQ(rule_of(check(io, seen)), "readback.io-priority");
  seen.io_priority = IOPRIO_CLASS_BE << 13 | 7;
  EXPECT_TRUE(check(io, seen));

  const Plan cpus{{SetCpuAffinity{{1, 9}}}};
  EXPECT_EQ(rule_of(check(cpus, seen)), "readback.cpu-affinity");
  seen.cpus = {0, 1};
  EXPECT_EQ(rule_of(check(cpus, seen)), "readback.cpu-affinity");
  seen.cpus = {1};
  EXPECT_TRUE(check(cpus, seen)) << "processor 9 is not there";

  const Plan native{{SetPersonality{"LINUX"}}};
  EXPECT_TRUE(check(native, seen));
  seen.personality = ADDR_NO_RANDOMIZE;
  EXPECT_EQ(rule_of(check(native, seen)), "readback.personality");
  seen.personality = static_cast<unsigned long>(PER_LINUX32) | READ_IMPLIES_EXEC;
  EXPECT_EQ(rule_of(check({{SetPersonality{"LINUX32"}}}, seen)), "readback.personality");
  seen.personality = PER_LINUX32;
  EXPECT_TRUE(check({{SetPersonality{"LINUX32"}}}, seen));
}

TEST(Scheduling, MemoryPolicy) {
  const oci::MemoryPolicy bind{
      .mode = "MPOL_BIND", .nodes = {0, 1}, .flags = {"MPOL_F_STATIC_NODES"}};
  const int mode = int{MPOL_BIND} | MPOL_F_STATIC_NODES;
  EXPECT_TRUE(check_memory_policy(bind, mode, {0, 1}));
  EXPECT_TRUE(check_memory_policy(bind, mode, {1})) << "the others are not the container's";
  EXPECT_EQ(rule_of(check_memory_policy(bind, mode, {})), "readback.memory-policy");
  EXPECT_EQ(rule_of(check_memory_policy(bind, mode, {0, 2})), "readback.memory-policy");
  EXPECT_EQ(rule_of(check_memory_policy(bind, MPOL_BIND, {0})), "readback.memory-policy");
  EXPECT_EQ(rule_of(check_memory_policy(bind, MPOL_DEFAULT, {})), "readback.memory-policy");
  const oci::MemoryPolicy preferred{.mode = "MPOL_PREFERRED"};
  EXPECT_TRUE(check_memory_policy(preferred, MPOL_LOCAL, {}));
  EXPECT_EQ(rule_of(check_memory_policy(preferred, MPOL_PREFERRED, {0})), "readback.memory-policy");
  EXPECT_TRUE(check_memory_policy({.mode = "MPOL_DEFAULT"}, MPOL_DEFAULT, {}));
  EXPECT_FALSE(check_memory_policy({.mode = "MPOL_DEFAULT"}, MPOL_BIND, {0})) << "the caller's";
}

}  // namespace
}  // namespace casemate::plan
