// When, where and as what a process runs: each step on the real kernel, in a child, read back as
// the container's is.
#include "shim/plan/scheduling.h"

#include <linux/ioprio.h>
#include <linux/mempolicy.h>
#include <sys/personality.h>

#include "tests/unit/apply/init_steps.h"

namespace casemate::apply {
namespace {

// What the read-back says of the steps so far.
std::string read_back(Container& c) {
  plan::Observed seen{.session_leader = true};
  const Status observed = observe_scheduling(c.kernel, c.plan, ::getpid(), seen);
  return observed ? rule_of(plan::check(c.plan, seen)) : rule_of(observed);
}

const plan::SetScheduler kBatch{
    {.policy = "SCHED_BATCH", .nice = 3, .flags = {"SCHED_FLAG_RESET_ON_FORK"}}};
const plan::SetIoPriority kIdle{{"IOPRIO_CLASS_IDLE", 0}};
const plan::SetCpuAffinity kFirst{{0, 8191}};
const plan::SetMemoryPolicy kBind{{.mode = "MPOL_BIND", .nodes = {0}}};
const plan::SetPersonality k32{"LINUX32"};

TEST_F(InitSteps, SchedulingIsAsPlanned) {
  run([](Container& c) {
    c.ok("scheduler", c.add(kBatch));
    c.ok("I/O priority", c.add(kIdle));
    c.ok("processors", c.add(kFirst));
    c.ok("memory", c.add(kBind));
    c.ok("personality", c.add(k32));
    c.ok("read back", read_back(c));
    c.equal("personality", ::personality(0xffffffff), PER_LINUX32);
  });
}

// LINUX takes away what the caller's caller put there.
TEST_F(InitSteps, ThePersonalityIsTheDomainAlone) {
  run([](Container& c) {
    c.expect("setarch", ::personality(ADDR_NO_RANDOMIZE | READ_IMPLIES_EXEC) >= 0);
    c.ok("personality", c.add(plan::SetPersonality{"LINUX"}));
    c.ok("read back", read_back(c));
    c.equal("personality", ::personality(0xffffffff), 0);
  });
}

TEST_F(InitSteps, SchedulingThatWasNotSetIsNoticed) {
  const auto noticed = [&](const char* call, const auto& step, const char* rule) {
    run([&](Container& c) {
      c.kernel.pretend_every(call);
      c.ok(call, c.add(step));
      c.equal(call, read_back(c), rule);
    });
  };
  noticed("sched_setattr", kBatch, "readback.scheduler");
  noticed("sched_getattr", kBatch, "readback.scheduler");
  noticed("ioprio_set", kIdle, "readback.io-priority");
  noticed("ioprio_get", kIdle, "readback.io-priority");
  noticed("sched_getaffinity", kFirst, "readback.cpu-affinity");
  noticed("personality", k32, "readback.personality");
  for (const char* call : {"set_mempolicy", "get_mempolicy"})
    run([&](Container& c) {
      c.kernel.pretend_every(call);
      c.equal(call, c.add(kBind), "readback.memory-policy");
    });
  // On a machine of one processor there is nothing to tell apart.
  const auto all = sys::RealKernel().sched_getaffinity(0);
  ASSERT_TRUE(all);
  if (all->size() > 1) noticed("sched_setaffinity", kFirst, "readback.cpu-affinity");
}

TEST_F(InitSteps, WhatTheKernelRefuses) {
  run([](Container& c) {
    c.add(plan::SetCpuAffinity{{8190, 8191}});
    c.equal("processors", c.last_errno, EINVAL);
    c.add(plan::SetMemoryPolicy{{.mode = "MPOL_BIND", .nodes = {1023}}});
    c.equal("nodes", c.last_errno, EINVAL);
    const ProcStatus self = read_status(*fs::ProcFs::open(c.kernel), "self").value();
    const std::uint64_t sets = self.cap_permitted & ~(std::uint64_t{1} << CAP_SYS_NICE) &
                               ~(std::uint64_t{1} << CAP_SYS_ADMIN);
    c.expect("capset", c.kernel.capset({.effective = sets, .permitted = sets}).has_value());
    c.add(plan::SetScheduler{{.policy = "SCHED_FIFO", .priority = 1}});
    c.equal("real time", c.last_errno, EPERM);
    c.add(plan::SetIoPriority{{"IOPRIO_CLASS_RT", 0}});
    c.equal("real-time I/O", c.last_errno, EPERM);
  });
}

TEST(RealKernelScheduling, NumbersOutOfRange) {
  sys::RealKernel kernel;
  EXPECT_EQ(errno_of(kernel.sched_setaffinity({8192})), EINVAL);
  EXPECT_EQ(errno_of(kernel.set_mempolicy({.mode = MPOL_BIND, .nodes = {1024}})), EINVAL);
  EXPECT_EQ(errno_of(kernel.sched_getattr(-1)), EINVAL);
  EXPECT_EQ(errno_of(kernel.ioprio_get(0x7ffffffe)), ESRCH);
}

}  // namespace
}  // namespace casemate::apply
