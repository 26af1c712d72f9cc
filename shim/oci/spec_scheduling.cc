// When, where and as what a process runs: scheduler, I/O priority, processors, memory nodes,
// personality.
#include <algorithm>
#include <array>

#include "shim/oci/number_list.h"
#include "shim/oci/parse_detail.h"

namespace casemate::oci {
namespace {

using Names = std::span<const std::string_view>;

constexpr std::array<std::string_view, 6> kPolicies = {
    "SCHED_OTHER", "SCHED_BATCH", "SCHED_IDLE", "SCHED_FIFO", "SCHED_RR", "SCHED_DEADLINE"};
constexpr std::array<std::string_view, 3> kFlags = {"SCHED_FLAG_RESET_ON_FORK",
                                                    "SCHED_FLAG_RECLAIM", "SCHED_FLAG_DL_OVERRUN"};
// These refer to what a process already has, or to values that config.json cannot give.
constexpr std::array<std::string_view, 5> kUnservedFlags = {
    "SCHED_FLAG_KEEP_POLICY", "SCHED_FLAG_KEEP_PARAMS", "SCHED_FLAG_UTIL_CLAMP_MIN",
    "SCHED_FLAG_UTIL_CLAMP_MAX", "SCHED_FLAG_UTIL_CLAMP"};
constexpr std::array<std::string_view, 3> kIoClasses = {"IOPRIO_CLASS_RT", "IOPRIO_CLASS_BE",
                                                        "IOPRIO_CLASS_IDLE"};
constexpr std::array<std::string_view, 7> kModes = {
    "MPOL_DEFAULT",        "MPOL_BIND",  "MPOL_INTERLEAVE", "MPOL_WEIGHTED_INTERLEAVE",
    "MPOL_PREFERRED_MANY", "MPOL_LOCAL", "MPOL_PREFERRED"};
constexpr std::array<std::string_view, 3> kModeFlags = {
    "MPOL_F_NUMA_BALANCING", "MPOL_F_RELATIVE_NODES", "MPOL_F_STATIC_NODES"};

bool known(Names names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

std::string all_of(Names names) {
  std::string text;
  for (const auto name : names) text.append(text.empty() ? "" : ", ").append(name);
  return text;
}

Result<std::string> get_known(JsonObject& object, std::string_view key, Names names,
                              const char* rule) {
  auto name = TRY(object.get<std::string>(key));
  if (known(names, name)) return name;
  return bad_input(rule, std::string(key) + " \"" + printable(name) + "\"",
                   "write one of " + all_of(names), object.pointer_to(key));
}

Status check_flag(const std::string& name, Names names, const char* rule,
                  const std::string& pointer) {
  if (known(names, name)) return {};
  return bad_input(rule, "flag \"" + printable(name) + "\"", "write one of " + all_of(names),
                   pointer);
}

Result<int> get_in_range(JsonObject& object, std::string_view key, int least, int most,
                         const char* rule) {
  const auto value = TRY(object.get_or<std::int64_t>(key, 0));
  if (value >= least && value <= most) return static_cast<int>(value);
  return bad_input(rule, std::string(key) + " " + std::to_string(value),
                   "it goes from " + std::to_string(least) + " to " + std::to_string(most),
                   object.pointer_to(key));
}

Result<std::vector<std::string>> scheduler_flags(JsonObject& object) {
  auto flags = TRY(object.get_or<std::vector<std::string>>("flags", {}));
  for (std::size_t i = 0; i < flags.size(); ++i) {
    const std::string pointer = object.pointer_to("flags") + "/" + std::to_string(i);
    if (known(kUnservedFlags, flags[i]))
      return unsupported("oci.scheduler-flag", flags[i] + " has no meaning for a new process",
                         "leave the flag out", pointer);
    TRY(check_flag(flags[i], kFlags, "oci.scheduler-flag", pointer));
  }
  return flags;
}

// What the policy does not heed would be asked for in vain.
Status check_scheduler(const Scheduler& asked, const JsonObject& object) {
  const bool fixed = asked.policy == "SCHED_FIFO" || asked.policy == "SCHED_RR";
  if (fixed != (asked.priority != 0))
    return bad_input("oci.scheduler-priority",
                     asked.policy + (fixed ? " without a priority" : " with a priority"),
                     fixed ? "give a priority from 1 to 99" : "priorities are for FIFO and RR",
                     object.pointer_to("priority"));
  const bool deadline = asked.policy == "SCHED_DEADLINE";
  const bool times = asked.runtime != 0 || asked.deadline != 0 || asked.period != 0;
  if (times && !deadline)
    return bad_input("oci.scheduler-deadline", asked.policy + " with runtime, deadline or period",
                     "these are for SCHED_DEADLINE", object.pointer());
  const std::uint64_t period = asked.period == 0 ? asked.deadline : asked.period;
  const bool ordered =
      asked.runtime != 0 && asked.runtime <= asked.deadline && asked.deadline <= period;
  if (deadline && !ordered)
    return bad_input("oci.scheduler-deadline", "times that no deadline can be kept with",
                     "give nanoseconds, runtime <= deadline <= period", object.pointer());
  return {};
}

Result<Scheduler> parse_scheduler(JsonObject object) {
  Scheduler out;
  out.policy = TRY(get_known(object, "policy", kPolicies, "oci.scheduler-policy"));
  out.nice = TRY(get_in_range(object, "nice", -20, 19, "oci.scheduler-nice"));
  out.priority = TRY(get_in_range(object, "priority", 0, 99, "oci.scheduler-priority"));
  out.flags = TRY(scheduler_flags(object));
  out.runtime = TRY(object.get_or<std::uint64_t>("runtime", 0));
  out.deadline = TRY(object.get_or<std::uint64_t>("deadline", 0));
  out.period = TRY(object.get_or<std::uint64_t>("period", 0));
  TRY(check_scheduler(out, object));
  return out;
}

Result<IoPriority> parse_io_priority(JsonObject object) {
  IoPriority out;
  out.io_class = TRY(get_known(object, "class", kIoClasses, "oci.io-priority"));
  out.priority = TRY(get_in_range(object, "priority", 0, 7, "oci.io-priority"));
  return out;
}

Result<std::vector<std::uint32_t>> find_list(JsonObject& object, std::string_view key,
                                             std::uint32_t end) {
  const auto text = TRY(object.get_or<std::string>(key, {}));
  return parse_number_list(text, end, object.pointer_to(key));
}

bool needs_nodes(std::string_view mode) {
  return mode != "MPOL_DEFAULT" && mode != "MPOL_LOCAL" && mode != "MPOL_PREFERRED";
}

Status check_memory_policy(const MemoryPolicy& asked, const JsonObject& object) {
  const bool takes_none = !needs_nodes(asked.mode) && asked.mode != "MPOL_PREFERRED";
  if (needs_nodes(asked.mode) && asked.nodes.empty())
    return bad_input("oci.memory-policy", asked.mode + " without nodes", "name at least one node",
                     object.pointer_to("nodes"));
  if (takes_none && !asked.nodes.empty())
    return bad_input("oci.memory-policy", asked.mode + " with nodes", "leave the nodes out",
                     object.pointer_to("nodes"));
  const bool both = std::ranges::find(asked.flags, kModeFlags[1]) != asked.flags.end() &&
                    std::ranges::find(asked.flags, kModeFlags[2]) != asked.flags.end();
  if (both)
    return bad_input("oci.memory-policy", "nodes that are both static and relative",
                     "leave one of the flags out", object.pointer_to("flags"));
  return {};
}

}  // namespace

bool Scheduler::realtime() const {
  return policy == "SCHED_FIFO" || policy == "SCHED_RR" || policy == "SCHED_DEADLINE";
}

Names memory_policy_modes() {
  return kModes;
}

Names memory_policy_flags() {
  return kModeFlags;
}

namespace detail {

Status parse_scheduling(JsonObject& process, Process& out) {
  if (auto object = TRY(process.find_object("scheduler")))
    out.scheduler = TRY(parse_scheduler(*object));
  if (auto object = TRY(process.find_object("ioPriority")))
    out.io_priority = TRY(parse_io_priority(*object));
  auto affinity = TRY(process.find_object("execCPUAffinity"));
  if (!affinity) return {};
  ExecCpuAffinity cpus;
  cpus.initial = TRY(find_list(*affinity, "initial", kMaxCpus));
  cpus.final = TRY(find_list(*affinity, "final", kMaxCpus));
  if (!cpus.initial.empty() || !cpus.final.empty()) out.exec_cpu_affinity = std::move(cpus);
  return {};
}

// The specification knows no flags: ADDR_NO_RANDOMIZE and READ_IMPLIES_EXEC cannot be asked for.
Result<std::string> parse_personality(JsonObject& section) {
  static constexpr std::array<std::string_view, 2> kDomains = {"LINUX", "LINUX32"};
  auto object = TRY(section.find_object("personality"));
  if (!object) return std::string();
  const auto flags = TRY(object->get_or<std::vector<std::string>>("flags", {}));
  if (!flags.empty())
    return unsupported(
        "oci.personality-flags", "personality flag \"" + printable(flags.front()) + "\"",
        "the specification has no flags; leave them out", object->pointer_to("flags"));
  return get_known(*object, "domain", kDomains, "oci.personality");
}

Result<std::optional<MemoryPolicy>> parse_memory_policy(JsonObject& section) {
  auto object = TRY(section.find_object("memoryPolicy"));
  if (!object) return std::optional<MemoryPolicy>();
  MemoryPolicy out;
  out.mode = TRY(get_known(*object, "mode", kModes, "oci.memory-policy"));
  out.nodes = TRY(find_list(*object, "nodes", kMaxNodes));
  out.flags = TRY(object->get_or<std::vector<std::string>>("flags", {}));
  for (std::size_t i = 0; i < out.flags.size(); ++i)
    TRY(check_flag(out.flags[i], kModeFlags, "oci.memory-policy",
                   object->pointer_to("flags") + "/" + std::to_string(i)));
  TRY(check_memory_policy(out, *object));
  return std::optional(std::move(out));
}

}  // namespace detail
}  // namespace casemate::oci
