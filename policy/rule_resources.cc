// Rules about cgroup limits and sysctls.
#include <algorithm>

#include "policy/match.h"
#include "policy/rules.h"

namespace casemate::policy {
namespace {

constexpr std::uint64_t kPeriod = 100'000;  // microseconds; the kernel's default

std::string limit_text(const std::optional<std::int64_t>& value) {
  return value && *value > 0 ? std::to_string(*value) : "no limit";
}

void bound_memory(Judgement& j) {
  const auto& top = j.profile.resources.memory_max;
  auto& memory = j.spec.linux.resources.memory;
  if (memory.disable_oom_killer) {
    memory.disable_oom_killer = false;
    j.tighten("resources.oom-killer", "/linux/resources/memory/disableOOMKiller", "no OOM killer",
              "the OOM killer", "");
  }
  if (!top) return;
  if (!memory.limit || *memory.limit <= 0 || *memory.limit > *top) {
    j.tighten("resources.memory", "/linux/resources/memory/limit",
              limit_text(memory.limit) + " of memory", std::to_string(*top) + " bytes", "");
    memory.limit = top;
  }
  // The sum of memory and swap: without one, memory beyond the limit would only move to swap.
  const bool none = !memory.swap && j.host.swap_active;
  if (none || (memory.swap && (*memory.swap < 0 || *memory.swap > *top))) {
    j.tighten("resources.swap", "/linux/resources/memory/swap",
              limit_text(memory.swap) + " of memory and swap", std::to_string(*top) + " bytes", "");
    memory.swap = top;
  }
}

// noswap keeps a dataset's files out of swap; what the job read of them lies in its memory.
void keep_from_swap(Judgement& j) {
  if (!j.holds_data() || !j.host.swap_active) return;
  auto& memory = j.spec.linux.resources.memory;
  if (!memory.limit || *memory.limit <= 0)
    return j.deny("dataset.swap", "/linux/resources/memory/limit",
                  "memory without a limit on a host that swaps",
                  "data that cannot reach a swap device",
                  "give the job a memory limit, or turn swap off");
  if (memory.swap && *memory.swap >= 0 && *memory.swap <= *memory.limit) return;
  j.tighten("dataset.swap", "/linux/resources/memory/swap",
            limit_text(memory.swap) + " of memory and swap",
            std::to_string(*memory.limit) + " bytes, none of them in swap", "");
  memory.swap = memory.limit;
}

void bound_pids(Judgement& j) {
  const auto& top = j.profile.resources.pids_max;
  auto& limit = j.spec.linux.resources.pids_limit;
  if (!top || (limit && *limit > 0 && *limit <= *top)) return;
  j.tighten("resources.pids", "/linux/resources/pids/limit", limit_text(limit) + " of processes",
            std::to_string(*top) + " processes", "");
  limit = top;
}

void bound_cpu(Judgement& j) {
  const auto& top = j.profile.resources.cpu_max_millis;
  auto& cpu = j.spec.linux.resources.cpu;
  if (!top) return;
  const std::uint64_t period = cpu.period.value_or(0) == 0 ? kPeriod : *cpu.period;
  // In floating point: quota and period are the caller's, their product may leave 64 bits.
  const bool within = cpu.quota && *cpu.quota > 0 &&
                      static_cast<double>(*cpu.quota) * 1000.0 <=
                          static_cast<double>(*top) * static_cast<double>(period);
  if (within) return;
  j.tighten("resources.cpu", "/linux/resources/cpu/quota", limit_text(cpu.quota) + " of CPU time",
            std::to_string(*top) + " thousandths of a CPU", "");
  cpu.period = kPeriod;
  cpu.quota = static_cast<std::int64_t>(*top * kPeriod / 1000);
}

bool has_limit(const oci::Resources& resources, std::string_view name) {
  if (name == "memory") return resources.memory.limit && *resources.memory.limit > 0;
  if (name == "pids") return resources.pids_limit && *resources.pids_limit > 0;
  return resources.cpu.quota && *resources.cpu.quota > 0;
}

void judge_unified(Judgement& j) {
  for (const auto& [key, value] : j.spec.linux.resources.unified) {
    const auto& rules = j.profile.resources;
    const bool ceiling = (key == "memory.max" && rules.memory_max) ||
                         (key == "memory.swap.max" && rules.memory_max) ||
                         (key == "pids.max" && rules.pids_max) ||
                         (key == "cpu.max" && rules.cpu_max_millis);
    if (contains(rules.unified, key) && !ceiling && !has_control_characters(value)) continue;
    j.deny("resources.unified", "/linux/resources/unified", key, joined(rules.unified),
           "use the limit's own property, such as linux.resources.memory.limit");
  }
}

// "net/ipv4/conf/eth0.1/x" is the other way to write "net.ipv4.conf.eth0/1.x".
std::string with_dots(std::string key) {
  const std::size_t separator = key.find_first_of("./");
  if (separator == std::string::npos || key[separator] == '.') return key;
  for (char& c : key) c = c == '/' ? '.' : c == '.' ? '/' : c;
  return key;
}

// The namespace that a sysctl belongs to; none: it is the host's.
std::optional<oci::NamespaceType> owner(std::string_view key) {
  if (key.starts_with("net.")) return oci::NamespaceType::network;
  for (const char* name :
       {"kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.msgmax", "kernel.msgmnb",
        "kernel.msgmni", "kernel.sem", "kernel.shm_rmid_forced"})
    if (key == name) return oci::NamespaceType::ipc;
  if (key.starts_with("fs.mqueue.")) return oci::NamespaceType::ipc;
  return std::nullopt;
}

// CVE-2022-0811: a "+" smuggled a second setting into the value.
bool plain_value(std::string_view value) {
  return std::ranges::all_of(value, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == ' ' ||
           c == '.' || c == ',' || c == ':' || c == '-' || c == '_';
  });
}

void judge_sysctl(Judgement& j, const std::string& name, const std::string& value) {
  const std::string pointer = "/linux/sysctl/" + pointer_token(name);
  const std::string key = with_dots(name);
  const auto ns = owner(key);
  const oci::Namespace* own = ns ? j.spec.linux.find(*ns) : nullptr;
  if (!ns)
    j.deny("sysctls.host", pointer, "sysctl " + key, "sysctls of the container's namespaces",
           "set it on the host, it is not the container's");
  else if (own == nullptr)
    j.deny("sysctls.namespace", pointer, "sysctl " + key + " in the host's namespace",
           "a " + std::string(to_string(*ns)) + " namespace of its own",
           "give the container that namespace");
  else if (!name_matches_any(j.profile.sysctls.allowed, key))
    j.deny("sysctls.allowed", pointer, "sysctl " + key, joined(j.profile.sysctls.allowed),
           "remove it, or have it added to sysctls.allowed");
  else if (!plain_value(value))
    j.deny("sysctls.value", pointer, "sysctl " + key + "=" + value, "plain values",
           "write letters, digits, spaces and .,:_-");
}

}  // namespace

void judge_resources(Judgement& j) {
  bound_memory(j);
  keep_from_swap(j);
  bound_pids(j);
  bound_cpu(j);
  const auto& rules = j.profile.resources;
  const auto& resources = j.spec.linux.resources;
  for (const auto& name : rules.required)
    if (!has_limit(resources, name))
      j.deny("resources.required", "/linux/resources", "no " + name + " limit",
             "a " + name + " limit", "give the container a " + name + " limit");
  const auto& cpu = resources.cpu;
  const bool realtime = cpu.realtime_runtime.value_or(0) != 0 || cpu.realtime_period.value_or(0);
  if (realtime && !rules.unsafe_realtime)
    j.deny("resources.realtime", "/linux/resources/cpu", "real-time CPU", "none",
           "remove the real-time limits");
  judge_unified(j);
}

void judge_sysctls(Judgement& j) {
  for (const auto& [name, value] : j.spec.linux.sysctl) judge_sysctl(j, name, value);
}

}  // namespace casemate::policy
