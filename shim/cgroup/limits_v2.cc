// cgroup v2 (Documentation/admin-guide/cgroup-v2.rst of the kernel). Requests are in v1's terms;
// the conversions are those that runc and crun share.
#include <unistd.h>

#include <algorithm>

#include "shim/cgroup/settings.h"

namespace casemate::cgroup {
namespace {

bool is_set(const auto& value) {
  return value && *value != 0;
}

Setting bytes_setting(std::string file, std::int64_t value, const char* pointer) {
  return {.file = std::move(file),
          .value = limit_v2(value),
          .compare = Compare::bytes,
          .unit = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)),
          .pointer = pointer};
}

std::unexpected<Error> only_v1(const std::string& what, std::string pointer) {
  return unsupported("cgroup.v2-unsupported", what + " on a host with cgroup v2",
                     "leave it out: cgroup v2 has nothing like it", std::move(pointer));
}

// v1 counts memory and swap together, v2 swap alone.
Result<std::int64_t> swap_alone(const oci::Resources& asked) {
  const std::int64_t sum = *asked.memory.swap;
  if (sum < 0) return -1;
  const std::int64_t limit = asked.memory.limit.value_or(0);
  if (limit <= 0 || sum < limit) {
    return bad_input("cgroup.limit", "memory and swap limit " + std::to_string(sum),
                     "it must come with a memory limit that is not above it",
                     "/linux/resources/memory/swap");
  }
  return sum - limit;
}

Status refuse_memory_v1(const oci::Resources& asked) {
  const auto& memory = asked.memory;
  const std::string at = "/linux/resources/memory/";
  if (is_set(memory.kernel) && *memory.kernel > 0) {
    return only_v1("a kernel memory limit", at + "kernel");
  }
  if (is_set(memory.kernel_tcp) && *memory.kernel_tcp > 0) {
    return only_v1("a TCP memory limit", at + "kernelTCP");
  }
  if (memory.swappiness) return only_v1("memory swappiness", at + "swappiness");
  if (memory.disable_oom_killer)
    return only_v1("disabling the OOM killer", at + "disableOOMKiller");
  if (memory.use_hierarchy && !*memory.use_hierarchy) {
    return only_v1("memory without hierarchy", at + "useHierarchy");
  }
  return {};
}

// Shares 2…262144 onto weights 1…10000.
std::uint64_t weight_of_shares(std::uint64_t shares) {
  const std::uint64_t bounded = std::clamp<std::uint64_t>(shares, 2, 262144);
  return 1 + ((bounded - 2) * 9999) / 262142;
}

// Weights 10…1000 of v1 onto 1…10000 of io.weight; io.bfq.weight takes them as they are.
std::uint64_t io_weight(std::uint64_t weight) {
  return 1 + (weight - 10) * 9999 / 990;
}

Status check_weight(std::uint64_t weight) {
  if (weight >= 10 && weight <= 1000) return {};
  return bad_input("cgroup.limit", "block IO weight " + std::to_string(weight), "10 to 1000",
                   "/linux/resources/blockIO");
}

void add_throttle(Settings& out, const char* key,
                  const std::vector<oci::Resources::ThrottleDevice>& devices) {
  for (const auto& one : devices) {
    const std::string rate = one.rate == 0 ? "max" : std::to_string(one.rate);
    out.push_back({.file = "io.max",
                   .value = std::to_string(one.major) + ":" + std::to_string(one.minor) + " " +
                            key + "=" + rate,
                   .pointer = "/linux/resources/blockIO"});
  }
}

}  // namespace

Result<Settings> memory_v2(const oci::Resources& asked) {
  TRY(refuse_memory_v1(asked));
  const auto& memory = asked.memory;
  Settings out;
  if (is_set(memory.limit)) {
    out.push_back(bytes_setting("memory.max", *memory.limit, "/linux/resources/memory/limit"));
  }
  if (is_set(memory.swap)) {
    out.push_back(
        bytes_setting("memory.swap.max", TRY(swap_alone(asked)), "/linux/resources/memory/swap"));
  }
  if (is_set(memory.reservation)) {
    out.push_back(bytes_setting("memory.low", std::max<std::int64_t>(*memory.reservation, -1),
                                "/linux/resources/memory/reservation"));
  }
  return out;
}

Result<Settings> cpu_v2(const oci::Resources& asked) {
  const auto& cpu = asked.cpu;
  const std::string at = "/linux/resources/cpu/";
  if (is_set(cpu.realtime_period) || is_set(cpu.realtime_runtime)) {
    return only_v1("real-time scheduling limits", at + "realtimeRuntime");
  }
  Settings out;
  if (is_set(cpu.shares)) {
    out.push_back({.file = "cpu.weight",
                   .value = std::to_string(weight_of_shares(*cpu.shares)),
                   .pointer = at + "shares"});
  }
  if (is_set(cpu.quota) || is_set(cpu.period)) {
    const std::string quota = is_set(cpu.quota) ? limit_v2(*cpu.quota) : "max";
    const std::uint64_t period = is_set(cpu.period) ? *cpu.period : 100000;
    out.push_back({.file = "cpu.max",
                   .value = quota + " " + std::to_string(period),
                   .pointer = at + "quota"});
  }
  if (cpu.burst) {
    out.push_back(
        {.file = "cpu.max.burst", .value = std::to_string(*cpu.burst), .pointer = at + "burst"});
  }
  if (cpu.idle) {
    out.push_back({.file = "cpu.idle", .value = std::to_string(*cpu.idle), .pointer = at + "idle"});
  }
  return out;
}

Result<Settings> block_io_v2(const oci::Resources& asked) {
  const auto& io = asked.block_io;
  const char* pointer = "/linux/resources/blockIO";
  if (is_set(io.leaf_weight)) return only_v1("a block IO leaf weight", pointer);
  Settings out;
  const auto add_weight = [&](const std::string& device, std::uint64_t weight) -> Status {
    TRY(check_weight(weight));
    out.push_back({.file = "io.weight",
                   .value = device + std::to_string(io_weight(weight)),
                   .pointer = pointer});
    return {};
  };
  if (is_set(io.weight)) TRY(add_weight("default ", *io.weight));
  for (const auto& one : io.weight_device) {
    if (is_set(one.leaf_weight)) return only_v1("a block IO leaf weight", pointer);
    const std::string device = std::to_string(one.major) + ":" + std::to_string(one.minor) + " ";
    if (is_set(one.weight)) TRY(add_weight(device, *one.weight));
  }
  add_throttle(out, "rbps", io.read_bps);
  add_throttle(out, "wbps", io.write_bps);
  add_throttle(out, "riops", io.read_iops);
  add_throttle(out, "wiops", io.write_iops);
  return out;
}

Result<Settings> hugetlb_v2(const oci::Resources& asked) {
  Settings out;
  for (const auto& [size, limit] : asked.hugepage_limits) {
    const std::uint64_t unit = TRY(huge_page_size(size));
    for (const char* kind : {"", "rsvd."}) {
      out.push_back({.file = "hugetlb." + size + "." + kind + "max",
                     .value = std::to_string(limit),
                     .compare = Compare::bytes,
                     .unit = unit,
                     .if_present = *kind != '\0',
                     .pointer = "/linux/resources/hugepageLimits"});
    }
  }
  return out;
}

}  // namespace casemate::cgroup
