#include "shim/run/limit_request.h"

#include <algorithm>
#include <cmath>

#include "shim/base/number.h"
#include "shim/plan/compile.h"
#include "shim/plan/resources.h"

namespace casemate::run {
namespace {

std::unexpected<Error> bad_value(std::string_view option, const std::string& value,
                                 const char* hint) {
  return bad_input(
      "update.value",
      "invalid value for " + std::string(option.substr(2)) + ": \"" + printable(value) + "\"",
      hint);
}

Status set_bytes(std::optional<std::int64_t>& out, std::string_view option,
                 const std::string& value) {
  out = value == "-1" ? std::optional<std::int64_t>(-1) : parse_bytes(value);
  return out ? Status() : bad_value(option, value, "write bytes, or 64m, or -1 for no limit");
}

template <class T>
Status set_number(std::optional<T>& out, std::string_view option, const std::string& value) {
  out = whole_number<T>(value);
  return out ? Status() : bad_value(option, value, "write a number that fits 64 bits");
}

// What is given counts, also what is zero where zero means something.
bool given(const auto& value) {
  return value && *value != 0;
}

Status check_least(const std::optional<std::int64_t>& value, const char* key) {
  if (!value || *value >= -1) return {};
  return bad_input("update.value", "limit " + std::to_string(*value),
                   "write a number from 0 on, or -1 for no limit",
                   std::string("/linux/resources/") + key);
}

// Of limits by name: those of `base`, and what is asked in place of the same name's.
template <class Named>
Named merged(Named base, const Named& asked) {
  for (const auto& one : asked) {
    std::erase_if(base, [&](const auto& other) { return other.first == one.first; });
    base.push_back(one);
  }
  return base;
}

// Those of `wanted` that are asked for or not what they were.
template <class Named>
Named changed(const Named& base, const Named& asked, const Named& wanted) {
  Named out;
  for (const auto& one : wanted) {
    const auto same = [&](const auto& other) { return other.first == one.first; };
    const bool write =
        std::ranges::any_of(asked, same) || std::ranges::find(base, one) == base.end();
    if (write) out.push_back(one);
  }
  return out;
}

template <class T>
void take(std::optional<T>& base, const std::optional<T>& asked) {
  if (given(asked)) base = asked;
}

// In `out` what is to be written of one value.
template <class T>
bool pick(std::optional<T>& out, const std::optional<T>& base, const std::optional<T>& wanted,
          bool asked) {
  if (!asked && base == wanted) return false;
  out = wanted;
  return true;
}

}  // namespace

std::optional<std::int64_t> parse_bytes(std::string_view text) {
  const std::size_t end = text.find_first_not_of("0123456789.");
  const std::string_view figure = text.substr(0, end);
  std::string_view unit = end == std::string_view::npos ? "" : text.substr(end);
  if (unit.starts_with(' ')) unit.remove_prefix(1);
  int power = 0;
  const std::size_t known = std::string_view("kmgtpKMGTP").find(unit.empty() ? '\0' : unit.front());
  if (known != std::string_view::npos) {
    power = static_cast<int>(known % 5) + 1;
    unit.remove_prefix(1);
  }
  if (unit.starts_with('i') || unit.starts_with('I')) unit.remove_prefix(1);
  if (unit.starts_with('b') || unit.starts_with('B')) unit.remove_prefix(1);
  if (!unit.empty() || figure.empty() || figure.front() == '.' || figure.back() == '.') return {};
  const std::int64_t scale = std::int64_t{1} << (10 * power);
  if (const auto whole = whole_number<std::int64_t>(figure)) {
    std::int64_t bytes = 0;
    return __builtin_mul_overflow(*whole, scale, &bytes) ? std::nullopt : std::optional(bytes);
  }
  const auto fraction = whole_number<double>(figure);
  const double bytes = fraction.value_or(-1) * static_cast<double>(scale);
  constexpr double kTop = 9223372036854774784.0;  // the largest double below 2^63
  if (!std::isfinite(bytes) || bytes < 0 || bytes > kTop) return {};
  return static_cast<std::int64_t>(bytes);
}

Status set_limit(oci::Resources& out, std::string_view option, const std::string& value) {
  if (option == "--memory") return set_bytes(out.memory.limit, option, value);
  if (option == "--memory-reservation") return set_bytes(out.memory.reservation, option, value);
  if (option == "--memory-swap") return set_bytes(out.memory.swap, option, value);
  if (option == "--kernel-memory") return set_bytes(out.memory.kernel, option, value);
  if (option == "--kernel-memory-tcp") return set_bytes(out.memory.kernel_tcp, option, value);
  if (option == "--cpu-period") return set_number(out.cpu.period, option, value);
  if (option == "--cpu-quota") return set_number(out.cpu.quota, option, value);
  if (option == "--cpu-burst") return set_number(out.cpu.burst, option, value);
  if (option == "--cpu-share") return set_number(out.cpu.shares, option, value);
  if (option == "--cpu-idle") return set_number(out.cpu.idle, option, value);
  if (option == "--cpu-rt-period") return set_number(out.cpu.realtime_period, option, value);
  if (option == "--cpu-rt-runtime") return set_number(out.cpu.realtime_runtime, option, value);
  if (option == "--pids-limit") return set_number(out.pids_limit, option, value);
  if (option == "--blkio-weight") return set_number(out.block_io.weight, option, value);
  if (option == "--cpuset-cpus" || option == "--cpuset-mems") {
    if (value.find_first_not_of("0123456789,-") != std::string::npos)
      return bad_value(option, value, "write it like 0-3,7");
    (option == "--cpuset-cpus" ? out.cpu.cpus : out.cpu.mems) = value;
    return {};
  }
  return unsupported("update.rdt", std::string(option) + " is not served by this runtime",
                     "leave the option out");
}

Status check_request(const oci::Resources& asked) {
  TRY(check_least(asked.memory.limit, "memory/limit"));
  TRY(check_least(asked.memory.reservation, "memory/reservation"));
  TRY(check_least(asked.memory.swap, "memory/swap"));
  TRY(check_least(asked.cpu.quota, "cpu/quota"));
  TRY(check_least(asked.cpu.realtime_runtime, "cpu/realtimeRuntime"));
  return check_least(asked.pids_limit, "pids/limit");
}

oci::Resources merge_limits(oci::Resources base, const oci::Resources& asked) {
  oci::Resources out = asked;  // what cannot be changed is compared, see check_fixed()
  take(base.memory.limit, asked.memory.limit);
  take(base.memory.reservation, asked.memory.reservation);
  take(base.memory.swap, asked.memory.swap);
  if (asked.memory.limit == -1 && !given(asked.memory.swap) && base.memory.swap)
    base.memory.swap = -1;
  out.memory.limit = base.memory.limit;
  out.memory.reservation = base.memory.reservation;
  out.memory.swap = base.memory.swap;
  take(base.cpu.shares, asked.cpu.shares);
  take(base.cpu.period, asked.cpu.period);
  take(base.cpu.quota, asked.cpu.quota);
  take(base.cpu.realtime_period, asked.cpu.realtime_period);
  take(base.cpu.realtime_runtime, asked.cpu.realtime_runtime);
  if (asked.cpu.burst) base.cpu.burst = asked.cpu.burst;
  if (asked.cpu.idle) base.cpu.idle = asked.cpu.idle;
  if (!asked.cpu.cpus.empty()) base.cpu.cpus = asked.cpu.cpus;
  if (!asked.cpu.mems.empty()) base.cpu.mems = asked.cpu.mems;
  out.cpu = base.cpu;
  take(base.pids_limit, asked.pids_limit);
  out.pids_limit = base.pids_limit;
  take(base.block_io.weight, asked.block_io.weight);
  out.block_io.weight = base.block_io.weight;
  out.hugepage_limits = merged(base.hugepage_limits, asked.hugepage_limits);
  out.unified = merged(base.unified, asked.unified);
  out.rdma = base.rdma;
  for (const auto& [device, limits] : asked.rdma) {
    auto& [handles, objects] = out.rdma[device];
    if (limits.first) handles = limits.first;
    if (limits.second) objects = limits.second;
  }
  return out;
}

oci::Resources limits_to_write(const oci::Resources& base, const oci::Resources& asked,
                               const oci::Resources& wanted) {
  oci::Resources out;
  const auto& memory = asked.memory;
  bool pair = pick(out.memory.limit, base.memory.limit, wanted.memory.limit, given(memory.limit));
  pair |= pick(out.memory.swap, base.memory.swap, wanted.memory.swap, given(memory.swap));
  if (pair) out.memory.limit = wanted.memory.limit;
  if (pair) out.memory.swap = wanted.memory.swap;
  pick(out.memory.reservation, base.memory.reservation, wanted.memory.reservation,
       given(memory.reservation));
  out.memory.check_before_update = memory.check_before_update;

  const auto& cpu = asked.cpu;
  pair = pick(out.cpu.quota, base.cpu.quota, wanted.cpu.quota, given(cpu.quota));
  pair |= pick(out.cpu.period, base.cpu.period, wanted.cpu.period, given(cpu.period));
  if (pair) out.cpu.quota = wanted.cpu.quota;
  if (pair) out.cpu.period = wanted.cpu.period;
  pick(out.cpu.shares, base.cpu.shares, wanted.cpu.shares, given(cpu.shares));
  pick(out.cpu.burst, base.cpu.burst, wanted.cpu.burst, cpu.burst.has_value());
  pick(out.cpu.idle, base.cpu.idle, wanted.cpu.idle, cpu.idle.has_value());
  pick(out.cpu.realtime_period, base.cpu.realtime_period, wanted.cpu.realtime_period,
       given(cpu.realtime_period));
  pick(out.cpu.realtime_runtime, base.cpu.realtime_runtime, wanted.cpu.realtime_runtime,
       given(cpu.realtime_runtime));
  if (!cpu.cpus.empty() || base.cpu.cpus != wanted.cpu.cpus) out.cpu.cpus = wanted.cpu.cpus;
  if (!cpu.mems.empty() || base.cpu.mems != wanted.cpu.mems) out.cpu.mems = wanted.cpu.mems;
  pick(out.pids_limit, base.pids_limit, wanted.pids_limit, given(asked.pids_limit));
  pick(out.block_io.weight, base.block_io.weight, wanted.block_io.weight,
       given(asked.block_io.weight));
  out.hugepage_limits =
      changed(base.hugepage_limits, asked.hugepage_limits, wanted.hugepage_limits);
  out.unified = changed(base.unified, asked.unified, wanted.unified);
  for (const auto& one : wanted.rdma) {
    const auto before = base.rdma.find(one.first);
    const bool same = before != base.rdma.end() && *before == one;
    if (asked.rdma.contains(one.first) || !same) out.rdma.insert(one);
  }
  return out;
}

namespace {

// What an update cannot change: where the plan has it, and where the OCI specification does.
struct Fixed {
  const char* stored;
  const char* oci;
};
constexpr Fixed kFixed[] = {{"/netClass", "/network/classID"},
                            {"/netPriorities", "/network/priorities"},
                            {"/memory/swappiness", "/memory/swappiness"},
                            {"/memory/useHierarchy", "/memory/useHierarchy"},
                            {"/memory/disableOOMKiller", "/memory/disableOOMKiller"},
                            {"/blockIO/leafWeight", "/blockIO/leafWeight"},
                            {"/blockIO/weightDevice", "/blockIO/weightDevice"},
                            {"/blockIO/readBps", "/blockIO/throttleReadBpsDevice"},
                            {"/blockIO/writeBps", "/blockIO/throttleWriteBpsDevice"},
                            {"/blockIO/readIops", "/blockIO/throttleReadIOPSDevice"},
                            {"/blockIO/writeIops", "/blockIO/throttleWriteIOPSDevice"}};

// Null, false, 0 and what is empty.
bool is_unasked(const Json& value) {
  return value.is_null() || value == false || value == 0 ||
         (value.is_structured() && value.empty());
}

Json member(const Json& object, const char* pointer) {
  const Json::json_pointer at(pointer);
  return object.contains(at) ? object[at] : Json();
}

Status check_devices(const Json& stored, const oci::Resources& bounded) {
  if (bounded.devices.empty()) return {};
  oci::Resources only;
  only.devices = bounded.devices;
  const Json asked = plan::to_json(plan::with_default_devices(only))["devices"];
  if (asked == stored.value("devices", Json::array())) return {};
  return denied("update.devices", "other device rules for a running container",
                "devices are given when the container is created", "/linux/resources/devices");
}

}  // namespace

Status check_fixed(const Json& stored, const oci::Resources& bounded) {
  TRY(check_devices(stored, bounded));
  const Json asked = plan::to_json(bounded);
  for (const Fixed& one : kFixed) {
    const Json wanted = member(asked, one.stored);
    const Json have = member(stored, one.stored);
    if (is_unasked(wanted) || wanted == have) continue;
    return unsupported("update.fixed",
                       "an update of " + std::string(one.oci + 1) + " from " +
                           (have.is_null() ? "nothing" : dump(have)) + " to " + dump(wanted),
                       "it is given when the container is created",
                       "/linux/resources" + std::string(one.oci));
  }
  return {};
}

}  // namespace casemate::run
