#include <charconv>

#include "shim/apply/observe.h"
#include "shim/fs/host_file.h"

namespace casemate::apply {
namespace {

// /proc/PID/personality: the number in hexadecimal.
Result<unsigned long> personality_of(sys::Kernel& kernel, pid_t pid) {
  const std::string path = "/proc/" + std::to_string(pid) + "/personality";
  const std::string text = TRY(fs::read_file(kernel, path, 64));
  unsigned long value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc() || end == text.data())
    return internal("proc.personality", "malformed: " + printable(text));
  return value;
}

}  // namespace

Status observe_scheduling(sys::Kernel& kernel, const plan::Plan& plan, pid_t pid,
                          plan::Observed& out) {
  if (plan.find<plan::SetScheduler>() != nullptr) {
    const sys::Scheduling found = TRY(kernel.sched_getattr(pid));
    out.scheduler = {.policy = found.policy,
                     .flags = found.flags,
                     .nice = found.nice,
                     .priority = found.priority,
                     .runtime = found.runtime,
                     .deadline = found.deadline,
                     .period = found.period};
  }
  if (plan.find<plan::SetIoPriority>() != nullptr) out.io_priority = TRY(kernel.ioprio_get(pid));
  if (plan.find<plan::SetCpuAffinity>() != nullptr) out.cpus = TRY(kernel.sched_getaffinity(pid));
  if (plan.find<plan::SetPersonality>() != nullptr)
    out.personality = TRY(personality_of(kernel, pid));
  return {};
}

}  // namespace casemate::apply
