// The sections of a profile that bound mounts, devices and limits.
#include <algorithm>

#include "policy/match.h"
#include "policy/profile_parse.h"

namespace casemate::policy::detail {
namespace {

constexpr std::string_view kPropagation[] = {"private", "rprivate", "slave",      "rslave",
                                             "shared",  "rshared",  "unbindable", "runbindable"};
constexpr std::string_view kLimits[] = {"memory", "pids", "cpu"};

Result<std::string> pattern(JsonObject& object, std::string_view key) {
  auto text = TRY(object.get<std::string>(key));
  if (!is_path_pattern(text))
    return bad_input("profile.pattern", "\"" + printable(text) + "\"",
                     "write an absolute path, or a folder and \"/*\"", object.pointer_to(key));
  return text;
}

Result<MountRule> mount_rule(JsonObject object) {
  MountRule rule;
  rule.type = TRY(object.get<std::string>("type"));
  rule.destination = TRY(pattern(object, "destination"));
  const bool bind = rule.type == "bind";
  if (bind) rule.source = TRY(pattern(object, "source"));
  if (bind) rule.unsafe_write = TRY(object.get_or("unsafe_write", false));
  if (bind) rule.idmap = TRY(object.get_or("idmap", false));
  rule.options = TRY(object.get_or<std::vector<std::string>>("options", {}));
  for (const auto& option : rule.options)
    if (option.empty() || option.find_first_of(",\n") != std::string::npos)
      return bad_input("profile.word", "mount option \"" + printable(option) + "\"", {},
                       object.pointer_to("options"));
  TRY(object.done());
  return rule;
}

Result<DeviceAllow> device_allow(JsonObject object) {
  DeviceAllow device;
  device.path = TRY(object.get<std::string>("path"));
  if (!is_path_pattern(device.path) || device.path.ends_with("/*"))
    return bad_input("profile.pattern", "device path \"" + printable(device.path) + "\"", {},
                     object.pointer_to("path"));
  device.type = TRY(get_word<char>(object, "type", {{"c", 'c'}, {"b", 'b'}}));
  device.major = TRY(object.get<std::int64_t>("major"));
  device.minor = TRY(object.get<std::int64_t>("minor"));
  device.access = TRY(object.get<std::string>("access"));
  TRY(object.done());
  if (device.major < 0 || device.major > 0xfff || device.minor < 0 || device.minor > 0xfffff)
    return bad_input("profile.number", "device number out of range", {}, object.pointer());
  if (device.access.empty() || device.access.find_first_not_of("rwm") != std::string::npos)
    return bad_input("profile.word", "device access \"" + printable(device.access) + "\"",
                     "it is made of r, w and m", object.pointer_to("access"));
  return device;
}

Result<std::map<std::string, std::uint64_t>> limit_map(JsonObject& section, std::string_view key) {
  std::map<std::string, std::uint64_t> out;
  auto object = TRY(section.object(key));
  for (const auto& [name, value] : object.raw().items()) {
    if (!oci::is_rlimit(name))
      return bad_input("profile.word", "limit \"" + printable(name) + "\"",
                       "write it like RLIMIT_CORE", object.pointer_to(name));
    out[name] = TRY(object.get<std::uint64_t>(name));
  }
  return out;
}

template <class T>
Result<std::optional<T>> ceiling(JsonObject& section, std::string_view key) {
  const auto value = TRY(section.find<std::int64_t>(key));
  if (!value) return std::optional<T>();
  if (*value < 1)
    return bad_input("profile.number", "a ceiling below 1", "leave it out for none",
                     section.pointer_to(key));
  return std::optional<T>(static_cast<T>(*value));
}

}  // namespace

Status parse_mounts(JsonObject section, Profile& out) {
  auto& mounts = out.mounts;
  for (auto& object : TRY(section.objects("rules")))
    mounts.rules.push_back(TRY(mount_rule(object)));
  mounts.engine_files = TRY(get_paths(section, "engine_files"));
  mounts.forbidden_sources = TRY(get_paths(section, "forbidden_sources"));
  mounts.propagation = TRY(get_words(section, "propagation", kPropagation));
  return section.done();
}

Status parse_devices(JsonObject section, Profile& out) {
  for (auto& object : TRY(section.objects("allowed")))
    out.devices.allowed.push_back(TRY(device_allow(object)));
  out.devices.unsafe_wildcard = TRY(section.get_or("unsafe_wildcard", false));
  return section.done();
}

Status parse_sysctls(JsonObject section, Profile& out) {
  out.sysctls.allowed = TRY(get_name_patterns(section, "allowed"));
  return section.done();
}

Status parse_resources(JsonObject section, Profile& out) {
  auto& limits = out.resources;
  limits.required = TRY(get_words(section, "required", kLimits));
  limits.memory_max = TRY(ceiling<std::int64_t>(section, "memory_max"));
  limits.pids_max = TRY(ceiling<std::int64_t>(section, "pids_max"));
  limits.cpu_max_millis = TRY(ceiling<std::uint64_t>(section, "cpu_max_millis"));
  if (limits.cpu_max_millis && (*limits.cpu_max_millis < 10 || *limits.cpu_max_millis > 10'000'000))
    return bad_input("profile.number", "cpu_max_millis goes from 10 to 10000000", {},
                     section.pointer_to("cpu_max_millis"));
  const auto score = TRY(section.get<std::int64_t>("oom_score_adj_min"));
  if (score < -1000 || score > 1000)
    return bad_input("profile.number", "oom_score_adj_min goes from -1000 to 1000", {},
                     section.pointer_to("oom_score_adj_min"));
  limits.oom_score_adj_min = static_cast<int>(score);
  const auto nice = TRY(section.get_or<std::int64_t>("nice_min", 0));
  if (nice < -20 || nice > 19)
    return bad_input("profile.number", "nice_min goes from -20 to 19", {},
                     section.pointer_to("nice_min"));
  limits.nice_min = static_cast<int>(nice);
  limits.unified = TRY(get_list(section, "unified"));
  limits.unsafe_realtime = TRY(section.get_or("unsafe_realtime", false));
  return section.done();
}

Status parse_rlimits(JsonObject section, Profile& out) {
  out.rlimits.ceilings = TRY(limit_map(section, "ceilings"));
  out.rlimits.set = TRY(limit_map(section, "set"));
  for (const auto& [name, value] : out.rlimits.set) {
    const auto top = out.rlimits.ceilings.find(name);
    if (top != out.rlimits.ceilings.end() && value > top->second)
      return bad_input("profile.contradiction", name + " is set above its own ceiling", {},
                       section.pointer_to("set"));
  }
  return section.done();
}

}  // namespace casemate::policy::detail
