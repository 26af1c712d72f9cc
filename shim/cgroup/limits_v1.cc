// cgroup v1 (Documentation/admin-guide/cgroup-v1 of the kernel).
#include <unistd.h>

#include <algorithm>

#include "shim/cgroup/settings.h"

namespace casemate::cgroup {
namespace {

constexpr std::uint64_t kMinShares = 2, kMaxShares = 262144;  // what the kernel clamps to
constexpr std::uint64_t kMinWeight = 10, kMaxWeight = 1000;

bool is_set(const auto& value) {
  return value && *value != 0;
}

Setting bytes_setting(std::string file, std::int64_t value, const char* pointer) {
  return {.file = std::move(file),
          .value = limit_v1(value),
          .compare = Compare::bytes,
          .unit = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)),
          .pointer = pointer};
}

Status check_weight(std::uint64_t weight) {
  if (weight >= kMinWeight && weight <= kMaxWeight) return {};
  return bad_input("cgroup.limit", "block IO weight " + std::to_string(weight), "10 to 1000",
                   "/linux/resources/blockIO");
}

std::string device_number(std::int64_t major, std::int64_t minor) {
  return std::to_string(major) + ":" + std::to_string(minor);
}

void add_throttle(Settings& out, const std::string& file,
                  const std::vector<oci::Resources::ThrottleDevice>& devices) {
  for (const auto& one : devices) {
    out.push_back({.file = file,
                   .value = device_number(one.major, one.minor) + " " + std::to_string(one.rate),
                   .pointer = "/linux/resources/blockIO"});
  }
}

Status add_weight(Settings& out, const std::string& prefix, const std::string& suffix,
                  std::optional<std::uint64_t> weight, bool leaf) {
  if (!is_set(weight)) return {};
  TRY(check_weight(*weight));
  Setting one{.file = "blkio." + suffix,
              .value = prefix + std::to_string(*weight),
              .pointer = "/linux/resources/blockIO"};
  if (!leaf) one.other_file = "blkio.bfq." + suffix;
  out.push_back(std::move(one));
  return {};
}

}  // namespace

Result<Settings> memory_v1(const oci::Resources& asked) {
  const auto& memory = asked.memory;
  Settings out;
  // The kernel wants limit <= memsw at every moment; the writer retries what is refused until then.
  if (is_set(memory.limit)) {
    out.push_back(
        bytes_setting("memory.limit_in_bytes", *memory.limit, "/linux/resources/memory/limit"));
  }
  if (is_set(memory.swap)) {
    out.push_back(
        bytes_setting("memory.memsw.limit_in_bytes", *memory.swap, "/linux/resources/memory/swap"));
  } else if (is_set(memory.limit) && *memory.limit < 0) {
    // "Unlimited" would otherwise stay bounded by the old sum with swap.
    out.push_back(
        bytes_setting("memory.memsw.limit_in_bytes", -1, "/linux/resources/memory/limit"));
    out.back().if_present = true;
  }
  if (is_set(memory.reservation)) {
    out.push_back(bytes_setting("memory.soft_limit_in_bytes", *memory.reservation,
                                "/linux/resources/memory/reservation"));
  }
  if (is_set(memory.kernel) && *memory.kernel > 0) {
    out.push_back(bytes_setting("memory.kmem.limit_in_bytes", *memory.kernel,
                                "/linux/resources/memory/kernel"));
  }
  if (is_set(memory.kernel_tcp)) {
    out.push_back(bytes_setting("memory.kmem.tcp.limit_in_bytes", *memory.kernel_tcp,
                                "/linux/resources/memory/kernelTCP"));
  }
  if (memory.swappiness) {
    out.push_back({.file = "memory.swappiness",
                   .value = std::to_string(*memory.swappiness),
                   .pointer = "/linux/resources/memory/swappiness"});
  }
  if (memory.disable_oom_killer) {
    out.push_back({.file = "memory.oom_control",
                   .value = "1",
                   .readback = "oom_kill_disable 1",
                   .pointer = "/linux/resources/memory/disableOOMKiller"});
  }
  if (memory.use_hierarchy) {
    out.push_back({.file = "memory.use_hierarchy",
                   .value = *memory.use_hierarchy ? "1" : "0",
                   .pointer = "/linux/resources/memory/useHierarchy"});
  }
  return out;
}

Result<Settings> cpu_v1(const oci::Resources& asked) {
  const auto& cpu = asked.cpu;
  Settings out;
  const auto add = [&](const char* file, std::string value, const char* key) {
    out.push_back({.file = file,
                   .value = std::move(value),
                   .pointer = std::string("/linux/resources/cpu/") + key});
  };
  if (is_set(cpu.shares)) {
    add("cpu.shares", std::to_string(std::clamp(*cpu.shares, kMinShares, kMaxShares)), "shares");
  }
  if (is_set(cpu.realtime_period)) {
    add("cpu.rt_period_us", std::to_string(*cpu.realtime_period), "realtimePeriod");
  }
  if (is_set(cpu.realtime_runtime)) {
    add("cpu.rt_runtime_us", std::to_string(*cpu.realtime_runtime), "realtimeRuntime");
  }
  if (is_set(cpu.period)) add("cpu.cfs_period_us", std::to_string(*cpu.period), "period");
  if (is_set(cpu.quota)) add("cpu.cfs_quota_us", limit_v1(*cpu.quota), "quota");
  if (cpu.burst) add("cpu.cfs_burst_us", std::to_string(*cpu.burst), "burst");
  if (cpu.idle) add("cpu.idle", std::to_string(*cpu.idle), "idle");
  return out;
}

Result<Settings> block_io_v1(const oci::Resources& asked) {
  const auto& io = asked.block_io;
  Settings out;
  TRY(add_weight(out, "", "weight", io.weight, false));
  TRY(add_weight(out, "", "leaf_weight", io.leaf_weight, true));
  for (const auto& one : io.weight_device) {
    const std::string prefix = device_number(one.major, one.minor) + " ";
    TRY(add_weight(out, prefix, "weight_device", one.weight, false));
    TRY(add_weight(out, prefix, "leaf_weight_device", one.leaf_weight, true));
  }
  add_throttle(out, "blkio.throttle.read_bps_device", io.read_bps);
  add_throttle(out, "blkio.throttle.write_bps_device", io.write_bps);
  add_throttle(out, "blkio.throttle.read_iops_device", io.read_iops);
  add_throttle(out, "blkio.throttle.write_iops_device", io.write_iops);
  return out;
}

Result<Settings> hugetlb_v1(const oci::Resources& asked) {
  Settings out;
  for (const auto& [size, limit] : asked.hugepage_limits) {
    const std::uint64_t unit = TRY(huge_page_size(size));
    for (const char* kind : {"", "rsvd."}) {
      out.push_back({.file = "hugetlb." + size + "." + kind + "limit_in_bytes",
                     .value = std::to_string(limit),
                     .compare = Compare::bytes,
                     .unit = unit,
                     .if_present = *kind != '\0',  // since Linux 5.7
                     .pointer = "/linux/resources/hugepageLimits"});
    }
  }
  return out;
}

Result<Settings> net_cls_v1(const oci::Resources& asked) {
  if (!is_set(asked.net_class_id)) return Settings{};
  return Settings{{.file = "net_cls.classid",
                   .value = std::to_string(*asked.net_class_id),
                   .pointer = "/linux/resources/network/classID"}};
}

Result<Settings> net_prio_v1(const oci::Resources& asked) {
  Settings out;
  for (const auto& [interface, priority] : asked.net_priorities) {
    TRY(one_line(interface, "/linux/resources/network/priorities"));
    out.push_back({.file = "net_prio.ifpriomap",
                   .value = interface + " " + std::to_string(priority),
                   .pointer = "/linux/resources/network/priorities"});
  }
  return out;
}

}  // namespace casemate::cgroup
