// The kernel's numbers for when, where and as what a process runs, and whether what the kernel
// shows is what was planned. Pure.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "shim/base/result.h"
#include "shim/oci/spec.h"
#include "shim/plan/check.h"

namespace casemate::plan {

// As sched_setattr(2) takes it. Precondition of all: the parser of config.json knew the names.
ObservedScheduler scheduler_numbers(const oci::Scheduler& asked);
int io_priority_number(const oci::IoPriority& asked);       // IOPRIO_PRIO_VALUE
unsigned long personality_number(std::string_view domain);  // PER_…
int memory_policy_mode(const oci::MemoryPolicy& asked);     // MPOL_… | MPOL_F_…

// internal "readback.scheduler"; of the values those that the policy heeds.
Status check_scheduler(const oci::Scheduler& asked, const ObservedScheduler& found);

// internal "readback.<step>" unless `found` is some of `planned`: the kernel leaves out processors
// that are not there, or not the cgroup's.
Status check_affinity(std::string_view step, const std::vector<std::uint32_t>& planned,
                      const std::vector<std::uint32_t>& found);

// The same for nodes, and mode and flags as asked. `mode` and `nodes` are get_mempolicy(2)'s.
Status check_memory_policy(const oci::MemoryPolicy& asked, int mode,
                           const std::vector<std::uint32_t>& nodes);

}  // namespace casemate::plan
