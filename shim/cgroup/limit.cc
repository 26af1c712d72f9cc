// Writing the limits and reading them back.
#include <algorithm>

#include "shim/cgroup/cgroup.h"
#include "shim/cgroup/devices.h"
#include "shim/cgroup/files.h"

namespace casemate::cgroup {
namespace {

constexpr int kNotSupported = 524;  // ENOTSUPP of the kernel, which <errno.h> does not have

std::unexpected<Error> no_controller(const std::string& name, const std::string& pointer) {
  return unsupported("cgroup.no-controller", "this host has no cgroup " + name,
                     "enable it on the host, or leave the limit out", pointer);
}

bool is_absent(const Error& error) {
  return error.sys_errno == ENOENT;
}

std::unexpected<Error> refused(const Setting& setting, const Error& error) {
  const int why = error.sys_errno;
  if (is_absent(error) || why == EOPNOTSUPP || why == kNotSupported) {
    return no_controller("file " + setting.file, setting.pointer);
  }
  const bool by_value = why == EINVAL || why == ERANGE || why == EBUSY || why == ENODEV ||
                        why == ENOSPC || why == EOVERFLOW || why == EACCES;
  if (!by_value) return std::unexpected(Error(error).with_context("write " + setting.file));
  auto out = bad_input("cgroup.limit", setting.value + " for " + setting.file,
                       why == EBUSY ? "the container uses more already"
                                    : "the kernel refuses this value here; see the parent's limits",
                       setting.pointer);
  out.error().sys_errno = why;
  return out;
}

}  // namespace

Result<std::vector<Cgroup::Target>> Cgroup::targets(const oci::Resources& asked) const {
  std::vector<Target> out;
  for (const Controller& controller : controllers()) {
    auto settings = TRY(controller.settings_v1(asked));
    if (settings.empty()) continue;
    const std::string v2_name = controller.v2;
    const Place* place = place_of(controller.v1);
    if (place == nullptr && !v2_name.empty()) place = place_of(v2_name);
    if (place == nullptr) {
      return no_controller(std::string("controller ") + controller.v1, controller.pointer);
    }
    if (place->hierarchy.v2) settings = TRY(controller.settings_v2(asked));
    for (Setting& one : settings) out.push_back({place, std::move(one), v2_name});
  }
  for (Setting& one : TRY(unified_settings(asked))) {
    const std::string name = one.file.substr(0, one.file.find('.'));
    const Place* place = place_of("");
    if (place == nullptr || !place->hierarchy.has(name)) {
      return no_controller("v2 controller " + name, one.pointer);
    }
    out.push_back({place, std::move(one), name});
  }
  return out;
}

// checkBeforeUpdate: a limit below what is in use would wake the OOM killer.
Status Cgroup::check_usage(const oci::Resources& asked) const {
  const auto& memory = asked.memory;
  const Place* place = place_of("memory");
  if (!memory.check_before_update.value_or(false) || memory.limit.value_or(0) <= 0) return {};
  if (place == nullptr) return {};  // targets() says so
  const char* file = place->hierarchy.v2 ? "memory.current" : "memory.usage_in_bytes";
  const std::string usage = TRY(read_file(*kernel_, place->leaf.get(), file));
  if (std::strtoll(usage.c_str(), nullptr, 10) <= *memory.limit) return {};
  return bad_input("cgroup.limit", "memory limit " + std::to_string(*memory.limit),
                   "the container uses " + std::string(trim(usage)) + " bytes already",
                   "/linux/resources/memory/limit");
}

Status Cgroup::write_one(const Target& target) const {
  const Setting& setting = target.setting;
  const int leaf = target.place->leaf.get();
  auto status = write_file(*kernel_, leaf, setting.file, setting.value);
  if (!status && is_absent(status.error()) && !setting.other_file.empty()) {
    status = write_file(*kernel_, leaf, setting.other_file, setting.value);
  }
  if (!status && is_absent(status.error()) && setting.if_present) return {};
  return status;
}

// The kernel checks each value against the present ones of its siblings (limit and memsw, period
// and quota): what it refuses is tried again while others still change.
Status Cgroup::write_targets(std::vector<Target> left) {
  while (!left.empty()) {
    std::vector<Target> again;
    for (Target& target : left) {
      const auto status = write_one(target);
      if (status) continue;
      const bool order = status.error().sys_errno == EINVAL || status.error().sys_errno == EBUSY;
      const bool last_chance = again.size() + 1 == left.size();
      if (!order || last_chance) return refused(target.setting, status.error());
      again.push_back(std::move(target));
    }
    left = std::move(again);
  }
  return {};
}

Status Cgroup::limit(const oci::Resources& asked) {
  TRY(require_present());
  auto wanted = TRY(targets(asked));
  TRY(check_usage(asked));
  std::vector<std::string> names;
  for (const Target& one : wanted) {
    if (one.place->hierarchy.v2) names.push_back(one.v2_controller);
  }
  if (!names.empty()) {
    std::ranges::sort(names);
    names.erase(std::unique(names.begin(), names.end()), names.end());
    auto enabled = enable_controllers(*place_of(""), names);
    if (!enabled) {
      return std::unexpected(std::move(enabled.error()).with_context("enable cgroup controllers"));
    }
  }
  TRY(write_targets(std::move(wanted)));
  if (asked.devices.empty()) return {};
  const Place* place = TRY(devices_place());
  return place->hierarchy.v2
             ? limit_devices_v2(*kernel_, place->leaf.get(), asked.devices, others_of(*place))
             : limit_devices_v1(*kernel_, place->leaf.get(), asked.devices);
}

Attached Cgroup::others_of(const Place& place) {
  return place.managed ? Attached::shared : Attached::ours;
}

Result<const Cgroup::Place*> Cgroup::devices_place() const {
  const Place* place = place_of("devices");
  if (place == nullptr) place = place_of("");
  if (place == nullptr) return no_controller("controller devices", "/linux/resources/devices");
  return place;
}

Result<std::string> Cgroup::read_one(const Target& target) const {
  const int leaf = target.place->leaf.get();
  auto text = read_file(*kernel_, leaf, target.setting.file);
  if (!text && is_absent(text.error()) && !target.setting.other_file.empty()) {
    text = read_file(*kernel_, leaf, target.setting.other_file);
  }
  return text;
}

Result<Json> Cgroup::observe(const oci::Resources& asked) const {
  TRY(require_present());
  Json out = Json::object();
  for (const Target& target : TRY(targets(asked))) {
    const auto text = read_one(target);
    const bool absent = !text && is_absent(text.error());
    if (!text && !absent) return std::unexpected(text.error());
    if (absent && target.setting.if_present) continue;
    // Tables have a line for each device: one entry for each asked line.
    const std::string key = out.contains(target.setting.file)
                                ? target.setting.file + " " + target.setting.value
                                : target.setting.file;
    out[key] = {{"asked", target.setting.value},
                {"observed", absent ? Json() : Json(std::string(trim(*text)))},
                {"holds", !absent && holds(target.setting, *text)}};
  }
  if (asked.devices.empty()) return out;
  const Place* place = TRY(devices_place());
  const int leaf = place->leaf.get();
  out["devices"] = place->hierarchy.v2
                       ? TRY(observe_devices_v2(*kernel_, leaf, asked.devices, others_of(*place)))
                       : TRY(observe_devices_v1(*kernel_, leaf, asked.devices));
  return out;
}

Status Cgroup::check_limits(const oci::Resources& asked) const {
  std::string wrong;
  const Json seen = TRY(observe(asked));
  for (const auto& [file, value] : seen.items()) {
    if (value.at("holds") == true) continue;
    wrong += (wrong.empty() ? "" : ", ") + file + " is " + dump(value.at("observed")) +
             " instead of " + dump(value.at("asked"));
  }
  if (wrong.empty()) return {};
  return internal("cgroup.readback", "limits did not take effect: " + wrong,
                  "the container is not started without its limits");
}

}  // namespace casemate::cgroup
