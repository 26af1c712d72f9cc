// When, where and as what the container's program runs. All of it survives execve(2).
#include "shim/plan/scheduling.h"

#include "shim/apply/attach.h"
#include "shim/apply/steps.h"

namespace casemate::apply {
namespace {

// With a word on what the kernel may have meant.
Status explained(Status done, int number, const char* hint) {
  if (done || !is_errno(done.error(), number)) return done;
  Error error = std::move(done.error());
  error.hint = hint;
  return std::unexpected(std::move(error));
}

}  // namespace

Status apply(InitContext& context, const plan::SetScheduler& step) {
  const plan::ObservedScheduler wanted = plan::scheduler_numbers(step.scheduler);
  return explained(
      context.kernel.sched_setattr({.policy = wanted.policy,
                                    .flags = wanted.flags,
                                    .nice = wanted.nice,
                                    .priority = wanted.priority,
                                    .runtime = wanted.runtime,
                                    .deadline = wanted.deadline,
                                    .period = wanted.period}),
      EPERM,
      "real-time needs linux.resources.cpu.realtimeRuntime in cgroup v1; in a user namespace "
      "neither it nor a nice value below the caller's is to be had");
}

Status apply(InitContext& context, const plan::SetIoPriority& step) {
  return context.kernel.ioprio_set(plan::io_priority_number(step.priority));
}

Status apply(InitContext& context, const plan::SetCpuAffinity& step) {
  return explained(context.kernel.sched_setaffinity(step.cpus), EINVAL,
                   "none of these processors is the container's");
}

// Read back here: nobody else can ask for it.
Status apply(InitContext& context, const plan::SetMemoryPolicy& step) {
  const sys::MemoryPolicy wanted{.mode = plan::memory_policy_mode(step.policy),
                                 .nodes = step.policy.nodes};
  TRY(explained(context.kernel.set_mempolicy(wanted), EINVAL,
                "the kernel does not know the mode, or none of these nodes is the container's"));
  const sys::MemoryPolicy found = TRY(context.kernel.get_mempolicy());
  return plan::check_memory_policy(step.policy, found.mode, found.nodes);
}

// A domain alone, never with a flag: address randomisation and non-executable data stay.
Status apply(InitContext& context, const plan::SetPersonality& step) {
  return context.kernel.personality(plan::personality_number(step.domain));
}

}  // namespace casemate::apply
