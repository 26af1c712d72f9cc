// When and where a thread runs.
#include "shim/sys/intercept.h"
#include "shim/sys/intercepting_kernel.h"
#include "shim/sys/render.h"

namespace casemate::sys {

Status InterceptingKernel::sched_setattr(const Scheduling& wanted) {
  return intercept<void>(*this, "sched_setattr", render_scheduling(wanted),
                         [&] { return inner_.sched_setattr(wanted); });
}

Result<Scheduling> InterceptingKernel::sched_getattr(pid_t pid) {
  return intercept<Scheduling>(*this, "sched_getattr", "",
                               [&] { return inner_.sched_getattr(pid); });
}

Status InterceptingKernel::sched_setaffinity(const std::vector<std::uint32_t>& cpus) {
  return intercept<void>(*this, "sched_setaffinity", render_numbers(cpus),
                         [&] { return inner_.sched_setaffinity(cpus); });
}

Result<std::vector<std::uint32_t>> InterceptingKernel::sched_getaffinity(pid_t pid) {
  return intercept<std::vector<std::uint32_t>>(*this, "sched_getaffinity", "",
                                               [&] { return inner_.sched_getaffinity(pid); });
}

Status InterceptingKernel::ioprio_set(int priority) {
  return intercept<void>(*this, "ioprio_set", std::to_string(priority),
                         [&] { return inner_.ioprio_set(priority); });
}

Result<int> InterceptingKernel::ioprio_get(pid_t pid) {
  return intercept<int>(*this, "ioprio_get", "", [&] { return inner_.ioprio_get(pid); });
}

Status InterceptingKernel::set_mempolicy(const MemoryPolicy& wanted) {
  return intercept<void>(*this, "set_mempolicy",
                         std::to_string(wanted.mode) + " " + render_numbers(wanted.nodes),
                         [&] { return inner_.set_mempolicy(wanted); });
}

Result<MemoryPolicy> InterceptingKernel::get_mempolicy() {
  return intercept<MemoryPolicy>(*this, "get_mempolicy", "",
                                 [&] { return inner_.get_mempolicy(); });
}

Status InterceptingKernel::personality(unsigned long persona) {
  return intercept<void>(*this, "personality", std::to_string(persona),
                         [&] { return inner_.personality(persona); });
}

}  // namespace casemate::sys
