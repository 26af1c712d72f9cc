// The sections of a profile that bound the sandbox: namespaces, identity, privileges, seccomp.
#include <algorithm>

#include "policy/profile_parse.h"
#include "policy/seccomp_bound.h"

namespace casemate::policy::detail {
namespace {

Result<std::vector<oci::NamespaceType>> namespace_list(JsonObject& section, std::string_view key) {
  std::vector<oci::NamespaceType> out;
  const auto names = TRY(get_list(section, key));
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto type = oci::namespace_type(names[i]);
    if (!type)
      return bad_input("profile.word", "namespace \"" + printable(names[i]) + "\"", {},
                       section.pointer_to(key) + "/" + std::to_string(i));
    out.push_back(*type);
  }
  return out;
}

Result<std::vector<IdRange>> id_ranges(JsonObject& section, std::string_view key) {
  std::vector<IdRange> out;
  if (!section.has(key))
    return bad_input("json.missing-key", "a required key is missing", {}, section.pointer_to(key));
  for (auto& object : TRY(section.objects(key))) {
    const auto min = TRY(object.get<std::uint64_t>("min"));
    const auto max = TRY(object.get<std::uint64_t>("max"));
    TRY(object.done());
    if (min > max || max > INT32_MAX)
      return bad_input("profile.number", "an id range that is empty or leaves 0 to 2147483647", {},
                       object.pointer());
    out.push_back({static_cast<std::uint32_t>(min), static_cast<std::uint32_t>(max)});
  }
  return out;
}

Result<std::vector<std::string>> capability_list(JsonObject& section, std::string_view key) {
  auto names = TRY(get_list(section, key));
  const auto letter = [](char c) { return (c >= 'A' && c <= 'Z') || c == '_'; };
  for (std::size_t i = 0; i < names.size(); ++i)
    if (!names[i].starts_with("CAP_") || !std::ranges::all_of(names[i], letter))
      return bad_input("profile.word", "capability \"" + printable(names[i]) + "\"",
                       "write it like CAP_CHOWN",
                       section.pointer_to(key) + "/" + std::to_string(i));
  return names;
}

Result<std::vector<std::string>> syscall_list(JsonObject& section, std::string_view key) {
  auto names = TRY(get_list(section, key));
  for (std::size_t i = 0; i < names.size(); ++i)
    if (is_needed_syscall(names[i]))
      return bad_input(
          "profile.seccomp-needed", "\"" + names[i] + "\" is needed by every container",
          "remove it: nothing could start", section.pointer_to(key) + "/" + std::to_string(i));
  return names;
}

}  // namespace

Status parse_namespaces(JsonObject section, Profile& out) {
  out.namespaces.required = TRY(namespace_list(section, "required"));
  out.namespaces.join = TRY(namespace_list(section, "join"));
  return section.done();
}

Status parse_user(JsonObject section, Profile& out) {
  out.user.root = TRY(get_word<RootUser>(section, "root",
                                         {{"never", RootUser::never},
                                          {"in-user-namespace", RootUser::in_user_namespace},
                                          {"always", RootUser::always}}));
  out.user.uids = TRY(id_ranges(section, "uids"));
  out.user.gids = TRY(id_ranges(section, "gids"));
  return section.done();
}

Status parse_capabilities(JsonObject section, Profile& out) {
  auto& caps = out.capabilities;
  caps.ceiling = TRY(capability_list(section, "ceiling"));
  caps.beyond = TRY(
      get_word<Beyond>(section, "beyond", {{"tighten", Beyond::tighten}, {"deny", Beyond::deny}}));
  caps.refuse = TRY(capability_list(section, "refuse"));
  caps.ambient = TRY(section.get<bool>("ambient"));
  for (const auto& name : caps.refuse)
    if (std::ranges::find(caps.ceiling, name) != caps.ceiling.end())
      return bad_input("profile.contradiction", name + " is both allowed and refused", {},
                       section.pointer_to("refuse"));
  return section.done();
}

Status parse_seccomp(JsonObject section, Profile& out) {
  auto& rules = out.seccomp;
  rules.require_own = TRY(section.get<bool>("require_own"));
  rules.deny = TRY(syscall_list(section, "deny"));
  rules.hide = TRY(syscall_list(section, "hide"));
  rules.socket_families = TRY(get_list(section, "socket_families"));
  rules.block_terminal_injection = TRY(section.get<bool>("block_terminal_injection"));
  rules.block_user_namespaces = TRY(section.get<bool>("block_user_namespaces"));
  for (const auto& name : rules.hide)
    if (std::ranges::find(rules.deny, name) != rules.deny.end())
      return bad_input("profile.contradiction", name + " is both denied and hidden", {},
                       section.pointer_to("hide"));
  for (const auto& family : rules.socket_families)
    if (!is_known_socket_family(family))
      return bad_input("profile.word", "socket family \"" + printable(family) + "\"",
                       "write it like AF_ALG", section.pointer_to("socket_families"));
  return section.done();
}

Status parse_selinux(JsonObject section, Profile& out) {
  out.selinux.require = TRY(section.get<bool>("require"));
  out.selinux.types = TRY(get_list(section, "types"));
  return section.done();
}

}  // namespace casemate::policy::detail
