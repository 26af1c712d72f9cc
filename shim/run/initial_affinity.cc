#include "shim/run/initial_affinity.h"

#include "shim/plan/scheduling.h"

namespace casemate::run {

Status InitialAffinity::enter(const std::vector<std::uint32_t>& cpus) {
  before_ = TRY(kernel_.sched_getaffinity(0));
  if (const Status set = kernel_.sched_setaffinity(cpus); !set) {
    if (set.error().sys_errno != EINVAL) return set;
    return bad_input("exec.cpu-affinity", "none of the initial processors is this host's",
                     "name processors that are there", "/execCPUAffinity/initial");
  }
  return plan::check_affinity("initial-cpu-affinity", cpus, TRY(kernel_.sched_getaffinity(0)));
}

}  // namespace casemate::run
