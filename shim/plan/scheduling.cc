#include "shim/plan/scheduling.h"

#include <linux/ioprio.h>
#include <linux/mempolicy.h>
#include <linux/sched.h>
#include <sys/personality.h>

#include <algorithm>
#include <array>

#include "shim/oci/number_list.h"

namespace casemate::plan {
namespace {

struct Name {
  std::string_view name;
  unsigned number;
};

constexpr std::array kPolicies = {
    Name{"SCHED_OTHER", SCHED_NORMAL}, Name{"SCHED_BATCH", SCHED_BATCH},
    Name{"SCHED_IDLE", SCHED_IDLE},    Name{"SCHED_FIFO", SCHED_FIFO},
    Name{"SCHED_RR", SCHED_RR},        Name{"SCHED_DEADLINE", SCHED_DEADLINE}};
constexpr std::array kFlags = {Name{"SCHED_FLAG_RESET_ON_FORK", SCHED_FLAG_RESET_ON_FORK},
                               Name{"SCHED_FLAG_RECLAIM", SCHED_FLAG_RECLAIM},
                               Name{"SCHED_FLAG_DL_OVERRUN", SCHED_FLAG_DL_OVERRUN}};
constexpr std::array kIoClasses = {Name{"IOPRIO_CLASS_RT", IOPRIO_CLASS_RT},
                                   Name{"IOPRIO_CLASS_BE", IOPRIO_CLASS_BE},
                                   Name{"IOPRIO_CLASS_IDLE", IOPRIO_CLASS_IDLE}};
constexpr unsigned kWeightedInterleave = 6;  // Linux 6.9, newer than the headers
constexpr std::array kModes = {Name{"MPOL_DEFAULT", MPOL_DEFAULT},
                               Name{"MPOL_PREFERRED", MPOL_PREFERRED},
                               Name{"MPOL_BIND", MPOL_BIND},
                               Name{"MPOL_INTERLEAVE", MPOL_INTERLEAVE},
                               Name{"MPOL_LOCAL", MPOL_LOCAL},
                               Name{"MPOL_PREFERRED_MANY", MPOL_PREFERRED_MANY},
                               Name{"MPOL_WEIGHTED_INTERLEAVE", kWeightedInterleave}};
constexpr std::array kModeFlags = {Name{"MPOL_F_STATIC_NODES", MPOL_F_STATIC_NODES},
                                   Name{"MPOL_F_RELATIVE_NODES", MPOL_F_RELATIVE_NODES},
                                   Name{"MPOL_F_NUMA_BALANCING", MPOL_F_NUMA_BALANCING}};

unsigned number_of(std::span<const Name> names, std::string_view name) {
  const auto found = std::ranges::find(names, name, &Name::name);
  return found == names.end() ? 0 : found->number;
}

unsigned bits_of(std::span<const Name> names, const std::vector<std::string>& asked) {
  unsigned bits = 0;
  for (const std::string& name : asked) bits |= number_of(names, name);
  return bits;
}

std::unexpected<Error> differs(std::string_view step, const std::string& planned,
                               const std::string& found) {
  return internal("readback." + std::string(step),
                  "planned " + planned + ", the kernel shows " + found,
                  "the process was not started; report this with the plan");
}

bool within(const std::vector<std::uint32_t>& found, const std::vector<std::uint32_t>& planned) {
  return std::ranges::includes(planned, found) && found.empty() == planned.empty();
}

}  // namespace

ObservedScheduler scheduler_numbers(const oci::Scheduler& asked) {
  return {.policy = number_of(kPolicies, asked.policy),
          .flags = bits_of(kFlags, asked.flags),
          .nice = asked.nice,
          .priority = static_cast<std::uint32_t>(asked.priority),
          .runtime = asked.runtime,
          .deadline = asked.deadline,
          .period = asked.period};
}

int io_priority_number(const oci::IoPriority& asked) {
  const unsigned io_class = number_of(kIoClasses, asked.io_class);
  return static_cast<int>(IOPRIO_PRIO_VALUE(io_class, static_cast<unsigned>(asked.priority)));
}

unsigned long personality_number(std::string_view domain) {
  return domain == "LINUX32" ? PER_LINUX32 : PER_LINUX;
}

int memory_policy_mode(const oci::MemoryPolicy& asked) {
  return static_cast<int>(number_of(kModes, asked.mode) | bits_of(kModeFlags, asked.flags));
}

Status check_scheduler(const oci::Scheduler& asked, const ObservedScheduler& found) {
  const ObservedScheduler planned = scheduler_numbers(asked);
  const auto number = [](auto value) { return std::to_string(value); };
  if (planned.policy != found.policy)
    return differs("scheduler", asked.policy, "policy " + number(found.policy));
  if (planned.flags != found.flags)
    return differs("scheduler", "flags " + number(planned.flags), number(found.flags));
  const bool fair = planned.policy == SCHED_NORMAL || planned.policy == SCHED_BATCH;
  if (fair && planned.nice != found.nice)
    return differs("scheduler", "nice " + number(planned.nice), number(found.nice));
  if (planned.priority != found.priority)
    return differs("scheduler", "priority " + number(planned.priority), number(found.priority));
  if (planned.policy != SCHED_DEADLINE) return {};
  const std::uint64_t period = planned.period == 0 ? planned.deadline : planned.period;
  const bool same = planned.runtime == found.runtime && planned.deadline == found.deadline &&
                    period == found.period;
  return same ? Status() : differs("scheduler", "a runtime, deadline and period", "others");
}

Status check_affinity(std::string_view step, const std::vector<std::uint32_t>& planned,
                      const std::vector<std::uint32_t>& found) {
  if (within(found, planned)) return {};
  return differs(step, "processors " + oci::number_list(planned), oci::number_list(found));
}

// Without nodes MPOL_PREFERRED is the local node, and so the kernel shows it.
Status check_memory_policy(const oci::MemoryPolicy& asked, int mode,
                           const std::vector<std::uint32_t>& nodes) {
  const bool local = asked.mode == "MPOL_PREFERRED" && asked.nodes.empty();
  const int planned = memory_policy_mode(asked);
  const bool same = mode == planned || (local && mode == MPOL_LOCAL);
  if (!same)
    return differs("memory-policy", asked.mode + " (" + std::to_string(planned) + ")",
                   std::to_string(mode));
  if (within(nodes, asked.nodes)) return {};
  return differs("memory-policy", "nodes " + oci::number_list(asked.nodes),
                 oci::number_list(nodes));
}

}  // namespace casemate::plan
