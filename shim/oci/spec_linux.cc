#include <algorithm>
#include <array>

#include "shim/oci/parse_detail.h"

namespace casemate::oci::detail {
namespace {

Result<std::vector<Namespace>> parse_namespaces(JsonObject& section) {
  std::vector<Namespace> out;
  for (auto& object : TRY(section.objects("namespaces"))) {
    const auto name = TRY(object.get<std::string>("type"));
    const auto type = namespace_type(name);
    if (!type)
      return bad_input("oci.namespace", "unknown namespace \"" + printable(name) + "\"", {},
                       object.pointer_to("type"));
    if (std::ranges::find(out, *type, &Namespace::type) != out.end())
      return bad_input("oci.namespace", "namespace \"" + name + "\" is given twice", {},
                       object.pointer());
    auto path = TRY(object.get_or<std::string>("path", {}));
    if (!path.empty())
      path = TRY(check_path(path, "oci.namespace-path", object.pointer_to("path")));
    out.push_back({*type, std::move(path)});
  }
  return out;
}

bool sysctl_key_shaped(std::string_view key) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-' ||
           c == '/';
  };
  return !key.empty() && key.front() != '/' && key.front() != '.' &&
         key.find("..") == std::string_view::npos && key.find("//") == std::string_view::npos &&
         std::ranges::all_of(key, plain);
}

Result<std::vector<std::pair<std::string, std::string>>> parse_sysctl(JsonObject& section) {
  auto out = TRY(section.string_map("sysctl"));
  for (const auto& [key, value] : out) {
    const std::string pointer = section.pointer_to("sysctl") + "/" + pointer_token(key);
    if (!sysctl_key_shaped(key))
      return bad_input("oci.sysctl-key", "sysctl \"" + printable(key) + "\"",
                       "write names like net.ipv4.ip_forward", pointer);
    TRY(check_printable(value, "oci.sysctl-value", pointer));
  }
  return out;
}

Result<Device> parse_device(JsonObject object) {
  Device device;
  const auto path = TRY(object.get<std::string>("path"));
  device.path = TRY(check_path(path, "oci.device-path", object.pointer_to("path")));
  const auto type = TRY(object.get<std::string>("type"));
  if (type != "b" && type != "c" && type != "u" && type != "p")
    return bad_input("oci.device-type", "device type \"" + printable(type) + "\"",
                     "it is b, c, u or p", object.pointer_to("type"));
  device.type = type.front();
  device.major = TRY(object.get_or<std::int64_t>("major", 0));
  device.minor = TRY(object.get_or<std::int64_t>("minor", 0));
  // What dev_t holds: 12 and 20 bits.
  if (device.major < 0 || device.major > 0xfff || device.minor < 0 || device.minor > 0xfffff)
    return bad_input("oci.device-number", "device number out of range", {}, object.pointer());
  device.file_mode = TRY(find_u32(object, "fileMode"));
  // Engines copy st_mode with its type bits; only the permissions count.
  if (device.file_mode) device.file_mode = *device.file_mode & 0777;
  if (object.has("uid")) device.uid = TRY(get_id(object, "uid"));
  if (object.has("gid")) device.gid = TRY(get_id(object, "gid"));
  return device;
}

Result<std::vector<std::string>> path_list(JsonObject& section, std::string_view key) {
  auto out = TRY(section.get_or<std::vector<std::string>>(key, {}));
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] = TRY(check_path(out[i], "oci.path", section.pointer_to(key) + "/" + std::to_string(i)));
  return out;
}

Result<std::string> parse_propagation(JsonObject& section) {
  static constexpr std::array kKnown = {"",       "private", "rprivate",   "slave",      "rslave",
                                        "shared", "rshared", "unbindable", "runbindable"};
  auto value = TRY(section.get_or<std::string>("rootfsPropagation", {}));
  if (std::ranges::find(kKnown, value) == kKnown.end())
    return bad_input("oci.rootfs-propagation", "propagation \"" + printable(value) + "\"", {},
                     section.pointer_to("rootfsPropagation"));
  return value;
}

Result<std::string> parse_cgroups_path(JsonObject& section) {
  auto path = TRY(section.get_or<std::string>("cgroupsPath", {}));
  const std::string pointer = section.pointer_to("cgroupsPath");
  TRY(check_printable(path, "oci.cgroups-path", pointer));
  if (has_dotdot(path))
    return bad_input("oci.cgroups-path", "cgroup path with \"..\"", {}, pointer);
  return path;
}

Result<std::optional<TimeOffset>> parse_offset(JsonObject& offsets, std::string_view key) {
  auto object = TRY(offsets.find_object(key));
  if (!object) return std::optional<TimeOffset>();
  TimeOffset offset;
  offset.secs = TRY(object->get_or<std::int64_t>("secs", 0));
  const auto nanosecs = TRY(find_u32(*object, "nanosecs"));
  offset.nanosecs = nanosecs.value_or(0);
  if (offset.nanosecs > 999'999'999)
    return bad_input("oci.time-offset", "nanosecs above 999999999", {}, object->pointer());
  return std::optional<TimeOffset>(offset);
}

Status parse_time_offsets(JsonObject& section, Linux& out) {
  auto offsets = TRY(section.find_object("timeOffsets"));
  if (!offsets) return {};
  out.monotonic_offset = TRY(parse_offset(*offsets, "monotonic"));
  out.boottime_offset = TRY(parse_offset(*offsets, "boottime"));
  const bool any = out.monotonic_offset || out.boottime_offset;
  if (any && !out.has(NamespaceType::time))
    return bad_input("oci.time-offset", "time offsets without a time namespace",
                     "add a time namespace or remove timeOffsets", offsets->pointer());
  // The clocks of a namespace stand as soon as a process has entered it (time_namespaces(7)).
  if (any && !out.find(NamespaceType::time)->path.empty())
    return bad_input("oci.time-offset", "time offsets for a time namespace that is joined",
                     "remove timeOffsets, or ask for a new time namespace", offsets->pointer());
  return offsets->done();
}

Status check_mappings(const JsonObject& section, const Linux& out) {
  const bool mapped = !out.uid_mappings.empty() || !out.gid_mappings.empty();
  const Namespace* user = out.find(NamespaceType::user);
  if (mapped && user == nullptr)
    return bad_input("oci.id-mapping", "id mappings without a user namespace",
                     "add a user namespace or remove the mappings", section.pointer());
  const bool fresh = user != nullptr && user->path.empty();
  if (fresh && (out.uid_mappings.empty() || out.gid_mappings.empty()))
    return bad_input("oci.id-mapping", "a new user namespace without uid and gid mappings", {},
                     section.pointer());
  if (out.uid_mappings.empty() != out.gid_mappings.empty())
    return bad_input("oci.id-mapping", "uid mappings without gid mappings, or the other way round",
                     "give both or neither", section.pointer());
  return {};
}

Status refuse_unserved(JsonObject& section) {
  TRY(refuse_property(section, "intelRdt", "remove intelRdt"));
  TRY(refuse_property(section, "netDevices", "let the engine's network plug-in move devices"));
  return {};
}

}  // namespace

Result<std::vector<IdMapping>> parse_mappings(JsonObject& section, std::string_view key) {
  std::vector<IdMapping> out;
  for (auto& object : TRY(section.objects(key))) {
    IdMapping map;
    map.container_id = TRY(get_id(object, "containerID"));
    map.host_id = TRY(get_id(object, "hostID"));
    const auto size = TRY(find_u32(object, "size"));
    const std::uint64_t end = std::uint64_t{1} << 31;
    if (!size || *size == 0 || map.container_id + std::uint64_t{*size} > end ||
        map.host_id + std::uint64_t{*size} > end)
      return bad_input("oci.id-mapping", "an id mapping is empty or leaves the range of ids",
                       "size is at least 1 and ids stay below 2^31", object.pointer());
    map.size = *size;
    out.push_back(map);
  }
  if (out.size() > 340)  // the kernel's own limit (UID_GID_MAP_MAX_EXTENTS)
    return bad_input("oci.id-mapping", "more than 340 id mappings", {}, section.pointer_to(key));
  return out;
}

Result<Linux> parse_linux(JsonObject section) {
  Linux out;
  TRY(refuse_unserved(section));
  out.namespaces = TRY(parse_namespaces(section));
  out.uid_mappings = TRY(parse_mappings(section, "uidMappings"));
  out.gid_mappings = TRY(parse_mappings(section, "gidMappings"));
  TRY(check_mappings(section, out));
  out.sysctl = TRY(parse_sysctl(section));
  if (auto resources = TRY(section.find_object("resources")))
    out.resources = TRY(parse_resources(*resources));
  out.cgroups_path = TRY(parse_cgroups_path(section));
  for (auto& device : TRY(section.objects("devices")))
    out.devices.push_back(TRY(parse_device(device)));
  if (auto seccomp = TRY(section.find_object("seccomp")))
    out.seccomp = TRY(parse_seccomp(*seccomp));
  out.rootfs_propagation = TRY(parse_propagation(section));
  out.masked_paths = TRY(path_list(section, "maskedPaths"));
  out.readonly_paths = TRY(path_list(section, "readonlyPaths"));
  out.mount_label = TRY(section.get_or<std::string>("mountLabel", {}));
  TRY(check_printable(out.mount_label, "oci.selinux-label", section.pointer_to("mountLabel")));
  TRY(parse_time_offsets(section, out));
  out.personality = TRY(parse_personality(section));
  out.memory_policy = TRY(parse_memory_policy(section));
  return out;
}

}  // namespace casemate::oci::detail
