// Rules about device nodes and the device cgroup.
#include <algorithm>

#include "policy/match.h"
#include "policy/rules.h"

namespace casemate::policy {
namespace {

struct Number {
  std::int64_t major, minor;
};
// null, zero, full, random, urandom, tty, ptmx.
constexpr Number kDefaults[] = {{1, 3}, {1, 5}, {1, 7}, {1, 8}, {1, 9}, {5, 0}, {5, 2}};
// The machine's own. Engines list it by habit; a container's /dev/console is a pseudo terminal.
constexpr Number kConsole = {5, 1};
constexpr std::int64_t kPtsMajor = 136;

bool is_default(char type, std::int64_t major, std::int64_t minor) {
  if (type != 'c') return false;
  if (major == kPtsMajor) return true;
  return std::ranges::any_of(kDefaults,
                             [&](const Number& n) { return n.major == major && n.minor == minor; });
}

const DeviceAllow* find_allowed(const Profile& profile, char type, std::int64_t major,
                                std::int64_t minor) {
  const auto same = [&](const DeviceAllow& device) {
    return device.type == type && device.major == major && device.minor == minor;
  };
  const auto at = std::ranges::find_if(profile.devices.allowed, same);
  return at == profile.devices.allowed.end() ? nullptr : &*at;
}

std::string number(const std::optional<std::int64_t>& n) {
  return n ? std::to_string(*n) : "*";
}

std::string describe(const oci::DeviceRule& rule) {
  const std::string access = rule.access.empty() ? "rwm" : rule.access;
  return std::string(1, rule.type) + " " + number(rule.major) + ":" + number(rule.minor) + " " +
         access;
}

bool is_deny_all(const oci::DeviceRule& rule) {
  return !rule.allow && rule.type == 'a' && !rule.major && !rule.minor &&
         (rule.access.empty() || rule.access == "rwm");
}

bool is_wildcard(const oci::DeviceRule& rule) {
  const bool pts = rule.type == 'c' && rule.major == kPtsMajor;
  return !pts && (rule.type == 'a' || !rule.major || !rule.minor);
}

// Engines let containers make nodes they then cannot open ("c *:* m"); nobody needs them.
bool only_makes_nodes(const oci::DeviceRule& rule) {
  return rule.allow && rule.access == "m";
}

bool opens_console(const Profile& profile, const oci::DeviceRule& rule) {
  const bool console = rule.allow && rule.type == 'c' && rule.major == kConsole.major &&
                       rule.minor == kConsole.minor;
  return console && find_allowed(profile, 'c', kConsole.major, kConsole.minor) == nullptr;
}

bool access_within(std::string_view asked, std::string_view allowed) {
  const std::string_view all = asked.empty() ? std::string_view("rwm") : asked;
  return all.find_first_not_of(allowed) == std::string_view::npos;
}

void judge_rule(Judgement& j, const oci::DeviceRule& rule, const std::string& pointer) {
  if (!rule.allow) return;
  if (is_wildcard(rule)) {
    if (!j.profile.devices.unsafe_wildcard)
      j.deny("devices.wildcard", pointer, "devices " + describe(rule), "single devices",
             "name the one device that is needed");
    return;
  }
  if (is_default(rule.type, *rule.major, rule.minor.value_or(0))) return;
  const DeviceAllow* allowed = find_allowed(j.profile, rule.type, *rule.major, *rule.minor);
  if (allowed == nullptr || !access_within(rule.access, allowed->access))
    j.deny("devices.rule", pointer, "device " + describe(rule),
           allowed ? allowed->path + " " + allowed->access : "the profile's devices",
           "remove the device, or have it added to devices.allowed");
}

void judge_cgroup(Judgement& j) {
  auto& rules = j.spec.linux.resources.devices;
  const auto console = [&](const auto& rule) { return opens_console(j.profile, rule); };
  for (std::size_t i = 0; i < rules.size(); ++i)
    if (!only_makes_nodes(rules[i]) && !console(rules[i]))
      judge_rule(j, rules[i], "/linux/resources/devices/" + std::to_string(i));
  if (std::erase_if(rules, only_makes_nodes) != 0)
    j.tighten("devices.mknod", "/linux/resources/devices", "making nodes of devices",
              "no rule that only allows mknod", "");
  if (std::erase_if(rules, console) != 0)
    j.tighten("devices.console", "/linux/resources/devices", "the machine's console",
              "a terminal of the container's own", "");
  const bool open = std::ranges::any_of(
      rules, [](const oci::DeviceRule& r) { return r.allow && r.type == 'a' && !r.major; });
  if ((!rules.empty() && is_deny_all(rules.front())) || open) return;
  oci::DeviceRule deny_all;
  deny_all.access = "rwm";
  rules.insert(rules.begin(), deny_all);
  j.tighten("devices.default-deny", "/linux/resources/devices", "devices open by default",
            "every device denied first", "");
}

// A node elsewhere would be a file that the verified image does not have, or stand in for one.
bool has_a_place(const Judgement& j, const oci::Device& node) {
  return j.profile.image.level == ImageLevel::none || path_within("/dev", node.path);
}

// One finding for all: --privileged brings a hundred nodes.
void judge_nodes(Judgement& j) {
  const auto& nodes = j.spec.linux.devices;
  std::string names;
  std::size_t count = 0;
  std::size_t first = 0;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const auto& node = nodes[i];
    const bool harmless = node.type == 'p' || is_default(node.type, node.major, node.minor);
    const DeviceAllow* allowed = find_allowed(j.profile, node.type, node.major, node.minor);
    if ((harmless && has_a_place(j, node)) || (allowed != nullptr && allowed->path == node.path))
      continue;
    if (count == 0) first = i;
    if (++count <= 3) names += (count > 1 ? ", " : "") + node.path;
  }
  if (count == 0) return;
  if (count > 3) names += " and " + std::to_string(count - 3) + " more";
  j.deny("devices.node", "/linux/devices/" + std::to_string(first), "device " + names,
         "the profile's devices",
         "remove --device, or have it added to devices.allowed; a GPU is asked for in the job");
}

}  // namespace

void judge_devices(Judgement& j) {
  judge_nodes(j);
  judge_cgroup(j);
}

}  // namespace casemate::policy
