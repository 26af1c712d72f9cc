#include "shim/oci/spec.h"

#include <algorithm>
#include <array>

#include "shim/oci/parse_detail.h"

namespace casemate::oci {
namespace {

using namespace detail;

// The kernel looks at MS_BIND before the type, so an option "bind" makes any type a bind.
void settle_type(Mount& mount) {
  if (mount.type == "rbind") mount.options.emplace_back("rbind");
  if (mount.type == "rbind" || mount.has_option("bind") || mount.has_option("rbind"))
    mount.type = "bind";
}

Status check_mount_type(const Mount& mount, const JsonObject& object) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
  };
  if (mount.type.empty() || !std::ranges::all_of(mount.type, plain))
    return bad_input("oci.mount-type", "mount type \"" + printable(mount.type) + "\"",
                     "give a type such as tmpfs, or the option bind", object.pointer_to("type"));
  if (mount.type == "bind" && mount.source.empty())
    return bad_input("oci.mount-source", "a bind without a source", {},
                     object.pointer_to("source"));
  return {};
}

// runtime-spec "Mounts": mappings come in pairs, and mean "idmap" where no option says it.
Status parse_idmap(JsonObject& object, Mount& mount) {
  mount.uid_mappings = TRY(parse_mappings(object, "uidMappings"));
  mount.gid_mappings = TRY(parse_mappings(object, "gidMappings"));
  if (mount.uid_mappings.empty() != mount.gid_mappings.empty())
    return bad_input("oci.mount-idmap", "a mount with uidMappings or gidMappings alone",
                     "give both or neither", object.pointer());
  if (!mount.uid_mappings.empty() && !mount.idmapped()) mount.options.emplace_back("idmap");
  if (mount.idmapped() && mount.type != "bind")
    return bad_input("oci.mount-idmap", "an idmapped mount that is no bind",
                     "only binds can be idmapped; remove the mappings", object.pointer());
  return {};
}

Result<Mount> parse_mount(JsonObject object) {
  Mount mount;
  const auto destination = TRY(object.get<std::string>("destination"));
  mount.destination =
      TRY(check_path(destination, "oci.mount-destination", object.pointer_to("destination")));
  mount.type = TRY(object.get_or<std::string>("type", {}));
  mount.source = TRY(object.get_or<std::string>("source", {}));
  TRY(check_printable(mount.source, "oci.mount-source", object.pointer_to("source")));
  mount.options = TRY(object.get_or<std::vector<std::string>>("options", {}));
  for (std::size_t i = 0; i < mount.options.size(); ++i) {
    const std::string pointer = object.pointer_to("options") + "/" + std::to_string(i);
    TRY(check_printable(mount.options[i], "oci.mount-option", pointer));
  }
  settle_type(mount);
  TRY(parse_idmap(object, mount));
  TRY(check_mount_type(mount, object));
  return mount;
}

}  // namespace

Result<Hook> parse_hook(JsonObject object) {
  Hook hook;
  const auto path = TRY(object.get<std::string>("path"));
  hook.path = TRY(check_path(path, "oci.hook-path", object.pointer_to("path")));
  hook.args = TRY(object.get_or<std::vector<std::string>>("args", {}));
  hook.env = TRY(object.get_or<std::vector<std::string>>("env", {}));
  TRY(check_env(hook.env, object.pointer_to("env")));
  const auto timeout = TRY(object.find<std::int64_t>("timeout"));
  if (timeout && (*timeout <= 0 || *timeout > INT32_MAX))
    return bad_input("oci.hook-timeout", "timeout " + std::to_string(*timeout),
                     "give seconds above 0, or leave it out", object.pointer_to("timeout"));
  if (timeout) hook.timeout_s = static_cast<int>(*timeout);
  return hook;
}

namespace {

Result<std::vector<Hook>> hook_list(JsonObject& hooks, std::string_view key) {
  std::vector<Hook> out;
  for (auto& object : TRY(hooks.objects(key))) out.push_back(TRY(parse_hook(object)));
  return out;
}

Result<Hooks> parse_hooks(JsonObject object) {
  Hooks hooks;
  hooks.prestart = TRY(hook_list(object, "prestart"));
  hooks.create_runtime = TRY(hook_list(object, "createRuntime"));
  hooks.create_container = TRY(hook_list(object, "createContainer"));
  hooks.start_container = TRY(hook_list(object, "startContainer"));
  hooks.poststart = TRY(hook_list(object, "poststart"));
  hooks.poststop = TRY(hook_list(object, "poststop"));
  return hooks;
}

Result<std::string> parse_version(JsonObject& object) {
  auto version = TRY(object.get<std::string>("ociVersion"));
  const bool one =
      version.starts_with("1.") && version.size() > 2 && version[2] >= '0' && version[2] <= '9';
  if (!one)
    return bad_input("oci.version", "ociVersion \"" + printable(version) + "\"",
                     "casemate reads configurations of version 1", object.pointer_to("ociVersion"));
  return version;
}

// The limit is the kernel's (__NEW_UTS_LEN).
Result<std::string> uts_name(JsonObject& object, std::string_view key) {
  auto name = TRY(object.get_or<std::string>(key, {}));
  TRY(check_printable(name, "oci.hostname", object.pointer_to(key)));
  if (name.size() > 64)
    return bad_input("oci.hostname", "name longer than 64 bytes", {}, object.pointer_to(key));
  return name;
}

Result<Root> parse_root(JsonObject object) {
  Root root;
  root.path = TRY(object.get<std::string>("path"));
  TRY(check_printable(root.path, "oci.root-path", object.pointer_to("path")));
  if (root.path.empty())
    return bad_input("oci.root-path", "empty root path", {}, object.pointer_to("path"));
  root.readonly = TRY(object.get_or("readonly", false));
  return root;
}

Result<std::vector<std::pair<std::string, std::string>>> annotations(JsonObject& object) {
  auto out = TRY(object.string_map("annotations"));
  for (const auto& [key, value] : out) {
    const std::string pointer = object.pointer_to("annotations") + "/" + pointer_token(key);
    if (key.empty()) return bad_input("oci.annotation", "annotation without a name", {}, pointer);
    TRY(check_printable(key, "oci.annotation", pointer));
  }
  return out;
}

Status refuse_platforms(JsonObject& object) {
  for (const char* platform : {"vm", "windows", "solaris", "zos", "freebsd"})
    TRY(refuse_property(object, platform, "casemate runs Linux containers"));
  return {};
}

// Without mappings of its own an idmapped mount takes those of the container's user namespace.
Status check_idmaps(const Spec& spec) {
  for (std::size_t i = 0; i < spec.mounts.size(); ++i) {
    const Mount& mount = spec.mounts[i];
    if (!mount.idmapped() || !mount.uid_mappings.empty() || spec.linux.has(NamespaceType::user))
      continue;
    return bad_input("oci.mount-idmap",
                     "an idmapped mount without mappings, and no user namespace to take them from",
                     "give uidMappings and gidMappings, or remove the option",
                     "/mounts/" + std::to_string(i));
  }
  return {};
}

Result<Spec> parse_root_object(JsonObject object) {
  Spec spec;
  TRY(refuse_platforms(object));
  spec.oci_version = TRY(parse_version(object));
  if (auto process = TRY(object.find_object("process")))
    spec.process = TRY(parse_process_object(*process));
  const auto root = TRY(object.object("root"));
  spec.root = TRY(parse_root(root));
  spec.hostname = TRY(uts_name(object, "hostname"));
  spec.domainname = TRY(uts_name(object, "domainname"));
  for (auto& mount : TRY(object.objects("mounts"))) spec.mounts.push_back(TRY(parse_mount(mount)));
  if (auto hooks = TRY(object.find_object("hooks"))) spec.hooks = TRY(parse_hooks(*hooks));
  spec.annotations = TRY(annotations(object));
  if (auto section = TRY(object.find_object("linux"))) spec.linux = TRY(parse_linux(*section));
  TRY(check_idmaps(spec));
  return spec;
}

constexpr std::array<std::pair<NamespaceType, std::string_view>, 8> kNamespaces = {{
    {NamespaceType::pid, "pid"},
    {NamespaceType::network, "network"},
    {NamespaceType::mount, "mount"},
    {NamespaceType::ipc, "ipc"},
    {NamespaceType::uts, "uts"},
    {NamespaceType::user, "user"},
    {NamespaceType::cgroup, "cgroup"},
    {NamespaceType::time, "time"},
}};

}  // namespace

std::string_view to_string(NamespaceType type) {
  for (const auto& [known, name] : kNamespaces)
    if (known == type) return name;
  return "?";
}

std::optional<NamespaceType> namespace_type(std::string_view text) {
  for (const auto& [known, name] : kNamespaces)
    if (name == text) return known;
  return std::nullopt;
}

bool Mount::has_option(std::string_view option) const {
  return std::ranges::find(options, option) != options.end();
}

const Namespace* Linux::find(NamespaceType type) const {
  const auto at = std::ranges::find(namespaces, type, &Namespace::type);
  return at == namespaces.end() ? nullptr : &*at;
}

bool Linux::has(NamespaceType type) const {
  return find(type) != nullptr;
}

const std::string* Spec::annotation(std::string_view key) const {
  for (const auto& [name, value] : annotations)
    if (name == key) return &value;
  return nullptr;
}

Result<Spec> parse_spec(std::string_view config_json) {
  const Json json = TRY(parse_json(config_json));
  return parse_root_object(TRY(JsonObject::of(json)));
}

}  // namespace casemate::oci
