#include "shim/cgroup/devices.h"

#include <algorithm>
#include <limits>

namespace casemate::cgroup {
namespace {

constexpr const char* kPointer = "/linux/resources/devices";
constexpr unsigned kAll = BPF_DEVCG_ACC_MKNOD | BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE;

std::unexpected<Error> malformed(const std::string& what, std::size_t index) {
  return bad_input("cgroup.devices", what, "see \"Device allowlist\" of the runtime specification",
                   std::string(kPointer) + "/" + std::to_string(index));
}

Result<unsigned> parse_access(const std::string& text, std::size_t index) {
  if (text.empty()) return kAll;
  unsigned access = 0;
  for (const char c : text) {
    switch (c) {
      case 'm':
        access |= BPF_DEVCG_ACC_MKNOD;
        break;
      case 'r':
        access |= BPF_DEVCG_ACC_READ;
        break;
      case 'w':
        access |= BPF_DEVCG_ACC_WRITE;
        break;
      default:
        return malformed("device access \"" + text + "\"", index);
    }
  }
  return access;
}

// -1 is an old way to write "all".
Result<std::optional<std::uint32_t>> parse_number(const std::optional<std::int64_t>& number,
                                                  std::size_t index) {
  if (!number || *number == -1) return std::optional<std::uint32_t>();
  if (*number < 0 || *number > std::numeric_limits<std::uint32_t>::max()) {
    return malformed("device number " + std::to_string(*number), index);
  }
  return std::optional<std::uint32_t>(static_cast<std::uint32_t>(*number));
}

bool covers(const std::optional<std::uint32_t>& wide, const std::optional<std::uint32_t>& narrow) {
  return !wide || wide == narrow;
}
bool covers(const DeviceAccess& wide, const DeviceAccess& narrow) {
  return wide.type == narrow.type && covers(wide.major, narrow.major) &&
         covers(wide.minor, narrow.minor);
}
bool meets(const std::optional<std::uint32_t>& a, const std::optional<std::uint32_t>& b) {
  return !a || !b || a == b;
}
bool meets(const DeviceAccess& a, const DeviceAccess& b) {
  return a.type == b.type && meets(a.major, b.major) && meets(a.minor, b.minor) &&
         (a.access & b.access) != 0;
}

void add(DevicePolicy& policy, const DeviceAccess& rule) {
  for (DeviceAccess& earlier : policy.rules) {
    if (covers(rule, earlier)) earlier.access &= ~rule.access;
  }
  std::erase_if(policy.rules, [](const DeviceAccess& one) { return one.access == 0; });
  const bool changes_something =
      rule.allow != policy.default_allow ||
      std::ranges::any_of(policy.rules, [&](const DeviceAccess& earlier) {
        return earlier.allow != rule.allow && meets(earlier, rule);
      });
  if (changes_something && rule.access != 0) policy.rules.push_back(rule);
}

}  // namespace

Result<DevicePolicy> normalise(const std::vector<oci::DeviceRule>& rules) {
  DevicePolicy policy;
  for (std::size_t i = 0; i < rules.size(); ++i) {
    const oci::DeviceRule& rule = rules[i];
    DeviceAccess one{.allow = rule.allow, .type = rule.type};
    one.access = TRY(parse_access(rule.access, i));
    one.major = TRY(parse_number(rule.major, i));
    one.minor = TRY(parse_number(rule.minor, i));
    if (rule.type != 'a' && rule.type != 'b' && rule.type != 'c') {
      return malformed(std::string("device type \"") + rule.type + "\"", i);
    }
    if (rule.type != 'a') {
      add(policy, one);
      continue;
    }
    if (!one.major && !one.minor && one.access == kAll) {
      policy = {.default_allow = rule.allow, .rules = {}};
      continue;
    }
    for (const char type : {'b', 'c'}) {
      one.type = type;
      add(policy, one);
    }
  }
  return policy;
}

std::string to_string(const DeviceAccess& rule) {
  const auto number = [](const std::optional<std::uint32_t>& value) {
    return value ? std::to_string(*value) : std::string("*");
  };
  std::string out =
      std::string(1, rule.type) + " " + number(rule.major) + ":" + number(rule.minor) + " ";
  if (rule.access & BPF_DEVCG_ACC_READ) out += 'r';
  if (rule.access & BPF_DEVCG_ACC_WRITE) out += 'w';
  if (rule.access & BPF_DEVCG_ACC_MKNOD) out += 'm';
  return out;
}

}  // namespace casemate::cgroup
