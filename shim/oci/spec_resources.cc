#include <algorithm>

#include "shim/oci/parse_detail.h"

namespace casemate::oci::detail {
namespace {

// Absent and negative both mean every number.
Result<std::optional<std::int64_t>> device_number(JsonObject& object, std::string_view key) {
  const auto number = TRY(object.find<std::int64_t>(key));
  if (!number || *number < 0) return std::optional<std::int64_t>();
  if (*number > 0xfffff)
    return bad_input("oci.device-number", "device number out of range", {}, object.pointer_to(key));
  return number;
}

Result<DeviceRule> parse_device_rule(JsonObject object) {
  DeviceRule rule;
  rule.allow = TRY(object.get<bool>("allow"));
  const auto type = TRY(object.get_or<std::string>("type", "a"));
  if (type != "a" && type != "b" && type != "c" && !type.empty())
    return bad_input("oci.device-type", "device rule of type \"" + printable(type) + "\"",
                     "it is a, b or c", object.pointer_to("type"));
  rule.type = type.empty() ? 'a' : type.front();
  rule.major = TRY(device_number(object, "major"));
  rule.minor = TRY(device_number(object, "minor"));
  rule.access = TRY(object.get_or<std::string>("access", {}));
  const bool shaped = rule.access.find_first_not_of("rwm") == std::string::npos;
  if (!shaped)
    return bad_input("oci.device-access", "device access \"" + printable(rule.access) + "\"",
                     "it is made of r, w and m", object.pointer_to("access"));
  return rule;
}

Status parse_memory(JsonObject& object, Resources& out) {
  auto& memory = out.memory;
  memory.limit = TRY(object.find<std::int64_t>("limit"));
  memory.reservation = TRY(object.find<std::int64_t>("reservation"));
  memory.swap = TRY(object.find<std::int64_t>("swap"));
  memory.kernel = TRY(object.find<std::int64_t>("kernel"));
  memory.kernel_tcp = TRY(object.find<std::int64_t>("kernelTCP"));
  memory.swappiness = TRY(object.find<std::uint64_t>("swappiness"));
  if (memory.swappiness && *memory.swappiness > 100)
    return bad_input("oci.number-range", "swappiness above 100", {},
                     object.pointer_to("swappiness"));
  memory.disable_oom_killer = TRY(object.get_or("disableOOMKiller", false));
  memory.use_hierarchy = TRY(object.find<bool>("useHierarchy"));
  memory.check_before_update = TRY(object.find<bool>("checkBeforeUpdate"));
  for (const auto& value : {memory.limit, memory.reservation, memory.swap, memory.kernel})
    if (value && *value < -1)
      return bad_input("oci.number-range", "memory limit below -1", {}, object.pointer());
  return {};
}

// "0-3,7" as the kernel's cpuset lists; empty is nothing asked.
Status check_cpu_list(const std::string& list, const std::string& pointer) {
  if (list.find_first_not_of("0123456789,-") == std::string::npos) return {};
  return bad_input("oci.cpu-list", "cpu list \"" + printable(list) + "\"", "write it like 0-3,7",
                   pointer);
}

Status parse_cpu(JsonObject& object, Resources& out) {
  auto& cpu = out.cpu;
  cpu.shares = TRY(find_u64(object, "shares"));
  cpu.quota = TRY(object.find<std::int64_t>("quota"));
  cpu.period = TRY(find_u64(object, "period"));
  cpu.burst = TRY(find_u64(object, "burst"));
  cpu.realtime_runtime = TRY(object.find<std::int64_t>("realtimeRuntime"));
  cpu.realtime_period = TRY(find_u64(object, "realtimePeriod"));
  cpu.idle = TRY(object.find<std::int64_t>("idle"));
  cpu.cpus = TRY(object.get_or<std::string>("cpus", {}));
  cpu.mems = TRY(object.get_or<std::string>("mems", {}));
  TRY(check_cpu_list(cpu.cpus, object.pointer_to("cpus")));
  return check_cpu_list(cpu.mems, object.pointer_to("mems"));
}

Result<std::vector<Resources::ThrottleDevice>> throttle(JsonObject& object, std::string_view key) {
  std::vector<Resources::ThrottleDevice> out;
  for (auto& entry : TRY(object.objects(key))) {
    Resources::ThrottleDevice device;
    device.major = TRY(entry.get<std::int64_t>("major"));
    device.minor = TRY(entry.get<std::int64_t>("minor"));
    device.rate = TRY(entry.get<std::uint64_t>("rate"));
    out.push_back(device);
  }
  return out;
}

Status parse_block_io(JsonObject& object, Resources& out) {
  auto& io = out.block_io;
  io.weight = TRY(find_u64(object, "weight"));
  io.leaf_weight = TRY(find_u64(object, "leafWeight"));
  for (auto& entry : TRY(object.objects("weightDevice"))) {
    Resources::WeightDevice device;
    device.major = TRY(entry.get<std::int64_t>("major"));
    device.minor = TRY(entry.get<std::int64_t>("minor"));
    device.weight = TRY(find_u64(entry, "weight"));
    device.leaf_weight = TRY(find_u64(entry, "leafWeight"));
    io.weight_device.push_back(device);
  }
  io.read_bps = TRY(throttle(object, "throttleReadBpsDevice"));
  io.write_bps = TRY(throttle(object, "throttleWriteBpsDevice"));
  io.read_iops = TRY(throttle(object, "throttleReadIOPSDevice"));
  io.write_iops = TRY(throttle(object, "throttleWriteIOPSDevice"));
  return {};
}

// Becomes a part of a file name: "2MB", "64KB", "1GB".
bool page_size_shaped(std::string_view size) {
  const std::size_t digits = size.find_first_not_of("0123456789");
  if (digits == 0 || digits == std::string_view::npos) return false;
  const std::string_view unit = size.substr(digits);
  return unit == "KB" || unit == "MB" || unit == "GB";
}

Status parse_hugepages(JsonObject& object, Resources& out) {
  for (auto& entry : TRY(object.objects("hugepageLimits"))) {
    const auto size = TRY(entry.get<std::string>("pageSize"));
    if (!page_size_shaped(size))
      return bad_input("oci.hugepage-size", "huge page size \"" + printable(size) + "\"",
                       "write it like 2MB", entry.pointer_to("pageSize"));
    out.hugepage_limits.emplace_back(size, TRY(entry.get<std::uint64_t>("limit")));
  }
  return {};
}

// Becomes a line of a cgroup file.
Status check_device_name(const std::string& name, const std::string& pointer) {
  const bool spaced = name.find(' ') != std::string::npos;
  if (name.empty() || spaced)
    return bad_input("oci.device-name", "device name \"" + printable(name) + "\"", {}, pointer);
  return check_printable(name, "oci.device-name", pointer);
}

Status parse_network(JsonObject& object, Resources& out) {
  out.net_class_id = TRY(find_u32(object, "classID"));
  for (auto& entry : TRY(object.objects("priorities"))) {
    const auto name = TRY(entry.get<std::string>("name"));
    TRY(check_device_name(name, entry.pointer_to("name")));
    const auto priority = TRY(find_u32(entry, "priority"));
    out.net_priorities.emplace_back(name, priority.value_or(0));
  }
  return {};
}

Status parse_rdma(JsonObject& object, Resources& out) {
  auto map = TRY(object.find_object("rdma"));
  if (!map) return {};
  for (const auto& [name, value] : map->raw().items()) {
    TRY(check_device_name(name, map->pointer_to(name)));
    auto entry = TRY(JsonObject::of(value, map->pointer_to(name)));
    const auto handles = TRY(find_u32(entry, "hcaHandles"));
    const auto objects = TRY(find_u32(entry, "hcaObjects"));
    out.rdma[name] = {handles, objects};
  }
  return {};
}

// Keys are names of files in the cgroup's folder, so nothing but a plain name passes.
bool unified_key_shaped(std::string_view key) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  return key.size() > 1 && key.front() != '.' && key.find("..") == std::string_view::npos &&
         key.find('.') != std::string_view::npos && std::ranges::all_of(key, plain);
}

Status parse_unified(JsonObject& object, Resources& out) {
  out.unified = TRY(object.string_map("unified"));
  for (const auto& [key, value] : out.unified) {
    const std::string pointer = object.pointer_to("unified") + "/" + pointer_token(key);
    if (!unified_key_shaped(key))
      return bad_input("oci.unified-key", "cgroup file \"" + printable(key) + "\"",
                       "write it like memory.high", pointer);
    TRY(check_printable(value, "oci.unified-value", pointer));
  }
  return {};
}

}  // namespace

Result<Resources> parse_resources(JsonObject object) {
  Resources out;
  for (auto& rule : TRY(object.objects("devices")))
    out.devices.push_back(TRY(parse_device_rule(rule)));
  if (auto memory = TRY(object.find_object("memory"))) TRY(parse_memory(*memory, out));
  if (auto cpu = TRY(object.find_object("cpu"))) TRY(parse_cpu(*cpu, out));
  if (auto pids = TRY(object.find_object("pids")))
    out.pids_limit = TRY(pids->find<std::int64_t>("limit"));
  if (auto io = TRY(object.find_object("blockIO"))) TRY(parse_block_io(*io, out));
  TRY(parse_hugepages(object, out));
  if (auto network = TRY(object.find_object("network"))) TRY(parse_network(*network, out));
  TRY(parse_rdma(object, out));
  TRY(parse_unified(object, out));
  return out;
}

}  // namespace casemate::oci::detail

namespace casemate::oci {

Result<Resources> parse_resources(std::string_view resources_json) {
  const Json value = TRY(parse_json(resources_json));
  return detail::parse_resources(TRY(JsonObject::of(value, "/linux/resources")));
}

}  // namespace casemate::oci
