#include "shim/plan/resources.h"

namespace casemate::plan {
namespace {

template <class T>
void put(Json& json, const char* key, const std::optional<T>& value) {
  if (value) json[key] = *value;
}

Json throttle_json(const std::vector<oci::Resources::ThrottleDevice>& devices) {
  Json json = Json::array();
  for (const auto& device : devices) json.push_back({device.major, device.minor, device.rate});
  return json;
}

Json weights_json(const std::vector<oci::Resources::WeightDevice>& devices) {
  Json json = Json::array();
  for (const auto& device : devices) {
    Json one = {{"major", device.major}, {"minor", device.minor}};
    put(one, "weight", device.weight);
    put(one, "leafWeight", device.leaf_weight);
    json.push_back(std::move(one));
  }
  return json;
}

Json rules_json(const std::vector<oci::DeviceRule>& rules) {
  Json json = Json::array();
  const auto number = [](const std::optional<std::int64_t>& value) {
    return value ? std::to_string(*value) : "*";
  };
  for (const oci::DeviceRule& rule : rules)
    json.push_back((rule.allow ? "allow " : "deny ") + std::string(1, rule.type) + " " +
                   number(rule.major) + ":" + number(rule.minor) + " " + rule.access);
  return json;
}

Json memory_json(const oci::Resources& resources) {
  Json json = Json::object();
  const auto& memory = resources.memory;
  put(json, "limit", memory.limit);
  put(json, "reservation", memory.reservation);
  put(json, "swap", memory.swap);
  put(json, "kernel", memory.kernel);
  put(json, "kernelTCP", memory.kernel_tcp);
  put(json, "swappiness", memory.swappiness);
  put(json, "useHierarchy", memory.use_hierarchy);
  put(json, "checkBeforeUpdate", memory.check_before_update);
  json["disableOOMKiller"] = memory.disable_oom_killer;
  return json;
}

Json cpu_json(const oci::Resources& resources) {
  const auto& cpu = resources.cpu;
  Json json = {{"cpus", cpu.cpus}, {"mems", cpu.mems}};
  put(json, "shares", cpu.shares);
  put(json, "quota", cpu.quota);
  put(json, "period", cpu.period);
  put(json, "burst", cpu.burst);
  put(json, "idle", cpu.idle);
  put(json, "realtimeRuntime", cpu.realtime_runtime);
  put(json, "realtimePeriod", cpu.realtime_period);
  return json;
}

Json block_io_json(const oci::Resources& resources) {
  const auto& io = resources.block_io;
  Json json = {{"weightDevice", weights_json(io.weight_device)},
               {"readBps", throttle_json(io.read_bps)},
               {"writeBps", throttle_json(io.write_bps)},
               {"readIops", throttle_json(io.read_iops)},
               {"writeIops", throttle_json(io.write_iops)}};
  put(json, "weight", io.weight);
  put(json, "leafWeight", io.leaf_weight);
  return json;
}

}  // namespace

Json to_json(const oci::Resources& resources) {
  Json json = {{"devices", rules_json(resources.devices)},
               {"memory", memory_json(resources)},
               {"cpu", cpu_json(resources)},
               {"blockIO", block_io_json(resources)},
               {"hugepages", resources.hugepage_limits},
               {"netPriorities", resources.net_priorities},
               {"unified", resources.unified}};
  put(json, "pids", resources.pids_limit);
  put(json, "netClass", resources.net_class_id);
  for (const auto& [device, limits] : resources.rdma) {
    Json one = Json::object();
    put(one, "handles", limits.first);
    put(one, "objects", limits.second);
    json["rdma"][device] = std::move(one);
  }
  return json;
}

namespace {

// [["memory.high", "64M"], ...]
Result<std::vector<std::pair<std::string, std::string>>> unified_of(const Json& stored) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const Json& pair : stored) {
    if (!pair.is_array() || pair.size() != 2 || !pair[0].is_string() || !pair[1].is_string())
      return internal("plan.resources", "the stored plan's unified limits make no sense");
    out.emplace_back(pair[0].get<std::string>(), pair[1].get<std::string>());
  }
  return out;
}

// [["2MB", 4194304], ...]
Result<std::vector<std::pair<std::string, std::uint64_t>>> hugepages_of(const Json& stored) {
  std::vector<std::pair<std::string, std::uint64_t>> out;
  for (const Json& pair : stored) {
    const bool shaped =
        pair.is_array() && pair.size() == 2 && pair[0].is_string() && pair[1].is_number_unsigned();
    if (!shaped)
      return internal("plan.resources", "the stored plan's huge page limits make no sense");
    out.emplace_back(pair[0].get<std::string>(), pair[1].get<std::uint64_t>());
  }
  return out;
}

Result<std::optional<std::uint32_t>> find_count(JsonObject& object, const char* key) {
  const auto value = TRY(object.find<std::uint64_t>(key));
  if (!value) return std::optional<std::uint32_t>();
  if (*value > UINT32_MAX)
    return internal("plan.resources", "the stored plan's RDMA limits make no sense");
  return std::optional(static_cast<std::uint32_t>(*value));
}

Status read_rdma(const Json& stored, oci::Resources& out) {
  auto devices = TRY(JsonObject::of(stored));
  for (const auto& [device, limits] : stored.items()) {
    auto object = TRY(devices.object(device));
    const auto handles = TRY(find_count(object, "handles"));
    const auto objects = TRY(find_count(object, "objects"));
    out.rdma[device] = {handles, objects};
  }
  return {};
}

Status read_memory(JsonObject& object, oci::Resources& out) {
  out.memory.limit = TRY(object.find<std::int64_t>("limit"));
  out.memory.reservation = TRY(object.find<std::int64_t>("reservation"));
  out.memory.swap = TRY(object.find<std::int64_t>("swap"));
  return {};
}

Status read_cpu(JsonObject& object, oci::Resources& out) {
  auto& cpu = out.cpu;
  cpu.cpus = TRY(object.get<std::string>("cpus"));
  cpu.mems = TRY(object.get<std::string>("mems"));
  cpu.shares = TRY(object.find<std::uint64_t>("shares"));
  cpu.quota = TRY(object.find<std::int64_t>("quota"));
  cpu.period = TRY(object.find<std::uint64_t>("period"));
  cpu.burst = TRY(object.find<std::uint64_t>("burst"));
  cpu.idle = TRY(object.find<std::int64_t>("idle"));
  cpu.realtime_runtime = TRY(object.find<std::int64_t>("realtimeRuntime"));
  cpu.realtime_period = TRY(object.find<std::uint64_t>("realtimePeriod"));
  return {};
}

}  // namespace

Result<oci::Resources> changeable_resources(const Json& stored) {
  oci::Resources out;
  auto object = TRY(JsonObject::of(stored));
  auto memory = TRY(object.object("memory"));
  TRY(read_memory(memory, out));
  auto cpu = TRY(object.object("cpu"));
  TRY(read_cpu(cpu, out));
  auto io = TRY(object.object("blockIO"));
  out.block_io.weight = TRY(io.find<std::uint64_t>("weight"));
  out.pids_limit = TRY(object.find<std::int64_t>("pids"));
  if (const Json* pages = object.take("hugepages")) out.hugepage_limits = TRY(hugepages_of(*pages));
  if (const Json* rdma = object.take("rdma")) TRY(read_rdma(*rdma, out));
  if (const Json* unified = object.take("unified")) out.unified = TRY(unified_of(*unified));
  return out;
}

void replace_changeable(Json& stored, const oci::Resources& resources) {
  const Json now = to_json(resources);
  const auto copy = [](Json& to, const Json& from, std::initializer_list<const char*> keys) {
    for (const char* key : keys) {
      to.erase(key);
      if (from.contains(key)) to[key] = from[key];
    }
  };
  copy(stored["memory"], now["memory"], {"limit", "reservation", "swap"});
  copy(stored["blockIO"], now["blockIO"], {"weight"});
  copy(stored, now, {"cpu", "pids", "hugepages", "rdma", "unified"});
}

}  // namespace casemate::plan
