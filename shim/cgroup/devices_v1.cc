#include <algorithm>
#include <map>

#include "shim/cgroup/devices.h"
#include "shim/cgroup/files.h"

namespace casemate::cgroup {
namespace {

constexpr const char* kPointer = "/linux/resources/devices";

// The state of the controller: a default and exceptions from it, by device.
struct State {
  bool default_allow = false;
  std::map<std::string, unsigned> exceptions;  // "c 1:3" -> access
};

struct Letter {
  char letter;
  unsigned bit;
};
constexpr Letter kLetters[] = {
    {'r', BPF_DEVCG_ACC_READ}, {'w', BPF_DEVCG_ACC_WRITE}, {'m', BPF_DEVCG_ACC_MKNOD}};

std::string device_of(const DeviceAccess& rule) {
  const std::string text = to_string(rule);
  return text.substr(0, text.rfind(' '));
}

Result<State> wanted_state(const std::vector<oci::DeviceRule>& rules) {
  const DevicePolicy policy = TRY(normalise(rules));
  State state{.default_allow = policy.default_allow, .exceptions = {}};
  for (const DeviceAccess& rule : policy.rules) {
    if (rule.allow == policy.default_allow) {
      return unsupported("cgroup.devices-overlap",
                         "the device rule \"" + to_string(rule) + "\" after a wider opposite one",
                         "cgroup v1 knows exceptions from one default only: name the devices one "
                         "by one",
                         kPointer);
    }
    state.exceptions[device_of(rule)] |= rule.access;
  }
  return state;
}

// With a default of allow the kernel shows "a *:* rwm" and hides the exceptions.
State parse_state(std::string_view text) {
  State state;
  for (const std::string_view line : split(text, '\n')) {
    const auto parts = words(line);
    if (parts.size() != 3) continue;
    if (parts[0] == "a") return {.default_allow = true, .exceptions = {}};
    unsigned& access = state.exceptions[std::string(parts[0]) + " " + std::string(parts[1])];
    for (const auto& [letter, bit] : kLetters) {
      if (parts[2].find(letter) != std::string_view::npos) access |= bit;
    }
  }
  return state;
}

std::string with_access(const std::string& device, unsigned access) {
  std::string out = device + " ";
  for (const auto& [letter, bit] : kLetters) {
    if (access & bit) out += letter;
  }
  return out;
}

// Writes what `to` has and `from` has not.
Status write_difference(sys::Kernel& kernel, int leaf, const char* file,
                        const std::map<std::string, unsigned>& to,
                        const std::map<std::string, unsigned>& from) {
  for (const auto& [device, access] : to) {
    const auto old = from.find(device);
    const unsigned missing = old == from.end() ? access : access & ~old->second;
    if (missing == 0) continue;
    auto status = write_file(kernel, leaf, file, with_access(device, missing));
    if (status) continue;
    if (status.error().sys_errno != EPERM) return status;
    return denied("cgroup.devices-parent",
                  "the device rule \"" + with_access(device, missing) + "\"",
                  "the parent control group does not allow it", kPointer);
  }
  return {};
}

Json render(const State& state) {
  Json out = Json::array({state.default_allow ? "allow a" : "deny a"});
  for (const auto& [device, access] : state.exceptions) {
    out.push_back((state.default_allow ? "deny " : "allow ") + with_access(device, access));
  }
  return out;
}

}  // namespace

Status limit_devices_v1(sys::Kernel& kernel, int leaf, const std::vector<oci::DeviceRule>& rules) {
  const State wanted = TRY(wanted_state(rules));
  State now = parse_state(TRY(read_file(kernel, leaf, "devices.list")));
  if (wanted.default_allow) {
    // The exceptions that are there cannot be read: begin anew, then deny.
    TRY(write_file(kernel, leaf, "devices.allow", "a"));
    return write_difference(kernel, leaf, "devices.deny", wanted.exceptions, {});
  }
  if (now.default_allow) {
    TRY(write_file(kernel, leaf, "devices.deny", "a"));
    now = {};
  }
  TRY(write_difference(kernel, leaf, "devices.deny", now.exceptions, wanted.exceptions));
  return write_difference(kernel, leaf, "devices.allow", wanted.exceptions, now.exceptions);
}

Result<Json> observe_devices_v1(sys::Kernel& kernel, int leaf,
                                const std::vector<oci::DeviceRule>& rules) {
  const State wanted = TRY(wanted_state(rules));
  const State now = parse_state(TRY(read_file(kernel, leaf, "devices.list")));
  const bool same = wanted.default_allow == now.default_allow &&
                    (wanted.default_allow || wanted.exceptions == now.exceptions);
  return Json{{"asked", render(wanted)}, {"observed", render(now)}, {"holds", same}};
}

}  // namespace casemate::cgroup
