#include "shim/systemd/properties.h"

#include <algorithm>
#include <array>
#include <map>

#include "shim/base/number.h"
#include "shim/cgroup/devices.h"
#include "shim/cgroup/files.h"
#include "shim/cgroup/settings.h"

namespace casemate::systemd {
namespace {

constexpr std::uint64_t kUnset = UINT64_MAX;  // "infinity", and a weight that is not set
constexpr std::uint64_t kSecond = 1'000'000;  // in µs
constexpr std::uint64_t kPercent = kSecond / 100;
constexpr std::uint64_t kDefaultPeriod = 100'000;

std::unexpected<Error> unreadable(const cgroup::Setting& setting) {
  return bad_input("cgroup.systemd-unified", setting.file + " of " + printable(setting.value),
                   "systemd must be told it too: write a plain number, or max", setting.pointer);
}

// A plain number; "max" is systemd's infinity.
std::optional<std::uint64_t> number(std::string_view text) {
  if (text == "max") return kUnset;
  return whole_number<std::uint64_t>(text);
}

using Made = Result<Properties>;

Made plain(const char* name, const cgroup::Setting& setting) {
  const auto value = number(cgroup::trim(setting.value));
  if (!value) return unreadable(setting);
  return Properties{{name, "t", *value}};
}

// CPUQuota= in a unit's file is whole percents: runc and crun round up, too.
std::uint64_t per_second(std::uint64_t quota, std::uint64_t period) {
  if (quota == kUnset || quota > UINT64_MAX / kSecond - 1) return kUnset;
  const std::uint64_t exact = quota * kSecond / period;
  return (exact + kPercent - 1) / kPercent * kPercent;
}

Made cpu_quota(const char* name, const cgroup::Setting& setting) {
  const auto parts = cgroup::words(setting.value);
  if (parts.empty() || parts.size() > 2) return unreadable(setting);
  const auto quota = number(parts[0]);
  const auto period = parts.size() == 2 ? number(parts[1]) : kDefaultPeriod;
  if (!quota || !period || *period == 0 || *period == kUnset) return unreadable(setting);
  return Properties{{name, "t", per_second(*quota, *period)}, {"CPUQuotaPeriodUSec", "t", *period}};
}

// systemd's own word for it, since 252: the weight zero.
Made cpu_idle(const char* name, const cgroup::Setting& setting) {
  if (cgroup::trim(setting.value) != "1") return Properties{};
  return Properties{{name, "t", std::uint64_t{0}}};
}

// "default 100"; a device's own weight has a path in systemd's terms and stays in the file.
Made io_weight(const char* name, const cgroup::Setting& setting) {
  const auto parts = cgroup::words(setting.value);
  const bool all = parts.size() == 1 || (parts.size() == 2 && parts[0] == "default");
  if (!all) return Properties{};
  const auto value = number(parts.back());
  if (!value) return unreadable(setting);
  return Properties{{name, "t", *value}};
}

// Bit n of byte n / 8.
Made mask(const char* name, const cgroup::Setting& setting) {
  const auto list = cgroup::parse_list(cgroup::trim(setting.value));
  if (!list) return unreadable(setting);
  std::vector<std::uint8_t> bytes(list->empty() ? 0 : *list->rbegin() / 8 + 1);
  for (const unsigned one : *list)
    bytes[one / 8] = static_cast<std::uint8_t>(bytes[one / 8] | (1U << (one % 8)));
  return Properties{{name, "ay", bytes}};
}

struct Known {
  std::string_view file;
  const char* property;
  Made (*make)(const char* property, const cgroup::Setting& setting);
};
constexpr std::array kKnown = {
    Known{"memory.max", "MemoryMax", plain},
    Known{"memory.high", "MemoryHigh", plain},
    Known{"memory.low", "MemoryLow", plain},
    Known{"memory.min", "MemoryMin", plain},
    Known{"memory.swap.max", "MemorySwapMax", plain},
    Known{"cpu.weight", "CPUWeight", plain},
    Known{"cpu.idle", "CPUWeight", cpu_idle},
    Known{"cpu.max", "CPUQuotaPerSecUSec", cpu_quota},
    Known{"cpuset.cpus", "AllowedCPUs", mask},
    Known{"cpuset.mems", "AllowedMemoryNodes", mask},
    Known{"pids.max", "TasksMax", plain},
    Known{"io.weight", "IOWeight", io_weight},
};

// As of the files: what is written later holds.
void put(Properties& out, Property one) {
  std::erase_if(out, [&](const Property& other) { return other.name == one.name; });
  out.push_back(std::move(one));
}

Status add(Properties& out, const cgroup::Settings& settings) {
  for (const cgroup::Setting& setting : settings) {
    const auto known = std::ranges::find(kKnown, setting.file, &Known::file);
    if (known == kKnown.end()) continue;
    for (Property& one : TRY(known->make(known->property, setting))) put(out, std::move(one));
  }
  return {};
}

// A path that systemd reads numbers from without looking at /dev, or a pattern for all minors.
std::string device_path(const cgroup::DeviceAccess& rule) {
  const std::string kind = rule.type == 'c' ? "char" : "block";
  if (!rule.major) return kind + "-*";
  if (!rule.minor) return kind + "-" + std::to_string(*rule.major);
  return "/dev/" + kind + "/" + std::to_string(*rule.major) + ":" + std::to_string(*rule.minor);
}

bool covers(const std::optional<std::uint32_t>& wide, const std::optional<std::uint32_t>& narrow) {
  return !wide || wide == narrow;
}

// The rules as far as systemd can say them: without a major number it takes no minor one.
std::vector<cgroup::DeviceAccess> allowed(const cgroup::DevicePolicy& policy) {
  std::vector<cgroup::DeviceAccess> out;
  for (cgroup::DeviceAccess rule : policy.rules) {
    if (!rule.allow) continue;
    if (!rule.major) rule.minor.reset();
    out.push_back(rule);
  }
  return out;
}

// Of all rules that a device falls under together: systemd looks for one entry that allows all that
// is asked for at once, "rw" for instance.
unsigned allowed_access(const std::vector<cgroup::DeviceAccess>& rules,
                        const cgroup::DeviceAccess& device) {
  unsigned access = 0;
  for (const cgroup::DeviceAccess& rule : rules)
    if (rule.type == device.type && covers(rule.major, device.major) &&
        covers(rule.minor, device.minor))
      access |= rule.access;
  return access;
}

std::string letters(unsigned access) {
  std::string out;
  if (access & BPF_DEVCG_ACC_READ) out += 'r';
  if (access & BPF_DEVCG_ACC_WRITE) out += 'w';
  if (access & BPF_DEVCG_ACC_MKNOD) out += 'm';
  return out;
}

Json unset_value(const Property& property) {
  if (property.type == "ay") return Json::array();
  const bool protection = property.name == "MemoryLow" || property.name == "MemoryMin";
  return protection ? std::uint64_t{0} : kUnset;
}

}  // namespace

Json to_json(const Properties& properties) {
  Json out = Json::array();
  for (const Property& one : properties) out.push_back({one.name, one.type, one.value});
  return out;
}

Properties scope_properties(const std::string& slice) {
  Properties out = {{"Slice", "s", slice},
                    {"Delegate", "b", true},
                    {"DefaultDependencies", "b", false},
                    {"CollectMode", "s", "inactive-or-failed"}};
  for (const char* kind : {"CPU", "IO", "Memory", "Tasks"})
    out.push_back({std::string(kind) + "Accounting", "b", true});
  out.push_back({"PIDs", "au", Json::array({0})});  // 0: the caller, whatever its pid namespace
  return out;
}

Result<Properties> limit_properties(const oci::Resources& asked) {
  Properties out;
  for (const cgroup::Controller& controller : cgroup::controllers())
    TRY(add(out, TRY(controller.settings_v2(asked))));
  TRY(add(out, TRY(cgroup::unified_settings(asked))));
  return out;
}

Result<Properties> device_properties(const std::vector<oci::DeviceRule>& rules) {
  if (rules.empty()) return Properties{};
  const cgroup::DevicePolicy policy = TRY(cgroup::normalise(rules));
  if (policy.default_allow)
    return Properties{{"DevicePolicy", "s", "auto"}, {"DeviceAllow", "a(ss)", Json::array()}};
  const auto all = allowed(policy);
  std::map<std::string, unsigned> paths;
  for (const cgroup::DeviceAccess& rule : all) paths[device_path(rule)] = allowed_access(all, rule);
  Json list = Json::array();
  for (const auto& [path, access] : paths) list.push_back({path, letters(access)});
  return Properties{{"DevicePolicy", "s", "strict"}, {"DeviceAllow", "a(ss)", std::move(list)}};
}

Properties reverted(const Properties& changed, const Properties& before) {
  Properties out;
  for (const Property& one : changed) {
    const auto old = std::ranges::find(before, one.name, &Property::name);
    out.push_back(old != before.end() ? *old : Property{one.name, one.type, unset_value(one)});
  }
  return out;
}

}  // namespace casemate::systemd
