#include "policy/profile.h"

#include <algorithm>

#include "policy/match.h"
#include "policy/profile_parse.h"

namespace casemate::policy {
namespace detail {
namespace {

Error bad_pattern(const JsonObject& object, std::string_view key, const std::string& text,
                  std::string_view hint) {
  return bad_input("profile.pattern", "\"" + printable(text) + "\"", std::string(hint),
                   object.pointer_to(key))
      .error();
}

}  // namespace

Result<std::vector<std::string>> get_list(JsonObject& object, std::string_view key) {
  auto list = TRY(object.get<std::vector<std::string>>(key));
  for (std::size_t i = 0; i < list.size(); ++i) {
    const auto rest = list.begin() + static_cast<std::ptrdiff_t>(i) + 1;
    if (!list[i].empty() && std::find(rest, list.end(), list[i]) == list.end()) continue;
    return bad_input("profile.list", "empty or repeated entry \"" + printable(list[i]) + "\"", {},
                     object.pointer_to(key) + "/" + std::to_string(i));
  }
  return list;
}

Result<std::vector<std::string>> get_path_patterns(JsonObject& object, std::string_view key) {
  auto list = TRY(get_list(object, key));
  for (const auto& text : list)
    if (!is_path_pattern(text))
      return std::unexpected(
          bad_pattern(object, key, text, "write an absolute path, or a folder and \"/*\""));
  return list;
}

Result<std::vector<std::string>> get_paths(JsonObject& object, std::string_view key) {
  auto list = TRY(get_path_patterns(object, key));
  for (const auto& text : list)
    if (text.ends_with("/*"))
      return std::unexpected(bad_pattern(object, key, text, "a plain path is expected here"));
  return list;
}

Result<std::vector<std::string>> get_name_patterns(JsonObject& object, std::string_view key) {
  auto list = TRY(get_list(object, key));
  for (const auto& text : list)
    if (!is_name_pattern(text))
      return std::unexpected(bad_pattern(object, key, text, "\"*\" may only stand at the end"));
  return list;
}

Result<std::vector<std::string>> get_words(JsonObject& object, std::string_view key,
                                           std::span<const std::string_view> known) {
  auto list = TRY(get_list(object, key));
  for (std::size_t i = 0; i < list.size(); ++i)
    if (std::ranges::find(known, list[i]) == known.end())
      return bad_input("profile.word", "\"" + printable(list[i]) + "\" is not known here", {},
                       object.pointer_to(key) + "/" + std::to_string(i));
  return list;
}

}  // namespace detail

namespace {

struct Section {
  std::string_view key;
  Status (*parse)(JsonObject, Profile&);
};

constexpr Section kSections[] = {
    {"namespaces", detail::parse_namespaces},
    {"user", detail::parse_user},
    {"capabilities", detail::parse_capabilities},
    {"seccomp", detail::parse_seccomp},
    {"selinux", detail::parse_selinux},
    {"mounts", detail::parse_mounts},
    {"devices", detail::parse_devices},
    {"sysctls", detail::parse_sysctls},
    {"resources", detail::parse_resources},
    {"rlimits", detail::parse_rlimits},
    {"hooks", detail::parse_hooks},
    {"process", detail::parse_process},
    {"env", detail::parse_env},
    {"network", detail::parse_network},
    {"rootfs", detail::parse_rootfs},
    {"image", detail::parse_image},
    {"dataset", detail::parse_dataset},
    {"gpu", detail::parse_gpu},
    {"host", detail::parse_host},
    {"exec", detail::parse_exec},
};

Status check_name(const std::string& name, const std::string& pointer) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  };
  const bool good =
      !name.empty() && name.size() <= 64 && name.front() != '-' && std::ranges::all_of(name, plain);
  if (good) return {};
  return bad_input("profile.name", "profile name \"" + printable(name) + "\"",
                   "use a-z, 0-9 and \"-\", at most 64 of them", pointer);
}

Status parse_head(JsonObject& object, Profile& out) {
  TRY(object.find<std::string>("$schema"));
  const auto version = TRY(object.get<std::int64_t>("version"));
  if (version != 1)
    return bad_input("profile.version", "profile version " + std::to_string(version),
                     "this casemate reads version 1", object.pointer_to("version"));
  out.name = TRY(object.get<std::string>("name"));
  TRY(check_name(out.name, object.pointer_to("name")));
  out.description = TRY(object.get_or<std::string>("description", {}));
  out.mode = TRY(detail::get_word<Mode>(
      object, "mode", {{"enforce", Mode::enforce}, {"complain", Mode::complain}}));
  if (out.mode == Mode::complain && out.name != "lab")
    return bad_input("profile.complain", "profile \"" + out.name + "\" is in complain mode",
                     "only the profile named lab may complain; set mode to enforce",
                     object.pointer_to("mode"));
  return {};
}

Status parse_tail(JsonObject& object, Profile& out) {
  out.no_new_privileges = TRY(detail::get_word<NoNewPrivileges>(
      object, "no_new_privileges",
      {{"keep", NoNewPrivileges::keep}, {"require", NoNewPrivileges::require}}));
  out.masked_paths = TRY(detail::get_paths(object, "masked_paths"));
  out.readonly_paths = TRY(detail::get_paths(object, "readonly_paths"));
  out.lifetime_seconds = TRY(object.find<std::uint64_t>("lifetime_seconds"));
  if (out.lifetime_seconds == 0)
    return bad_input("profile.number", "a lifetime of 0 seconds", "leave it out for no end",
                     object.pointer_to("lifetime_seconds"));
  return {};
}

}  // namespace

Result<Profile> parse_profile(std::string_view json) {
  const Json parsed = TRY(parse_json(json));
  auto object = TRY(JsonObject::of(parsed));
  Profile out;
  TRY(parse_head(object, out));
  for (const Section& section : kSections) {
    auto part = TRY(object.object(section.key));
    TRY(section.parse(std::move(part), out));
  }
  TRY(parse_tail(object, out));
  TRY(object.done());
  return out;
}

std::string_view to_string(Mode mode) {
  return mode == Mode::enforce ? "enforce" : "complain";
}

std::string_view to_string(ImageLevel level) {
  switch (level) {
    case ImageLevel::none:
      return "none";
    case ImageLevel::chain:
      return "chain";
    case ImageLevel::content:
      return "content";
  }
  return "?";
}

std::string_view to_string(Criticality level) {
  switch (level) {
    case Criticality::public_:
      return "public";
    case Criticality::internal:
      return "internal";
    case Criticality::confidential:
      return "confidential";
    case Criticality::restricted:
      return "restricted";
  }
  return "?";
}

Result<Criticality> parse_criticality(std::string_view text) {
  for (const auto level : {Criticality::public_, Criticality::internal, Criticality::confidential,
                           Criticality::restricted})
    if (to_string(level) == text) return level;
  return bad_input("profile.word", "criticality \"" + printable(text) + "\"",
                   "write public, internal, confidential or restricted");
}

std::vector<std::string> unsafe_fields(const Profile& profile) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < profile.mounts.rules.size(); ++i)
    if (profile.mounts.rules[i].unsafe_write)
      out.push_back("/mounts/rules/" + std::to_string(i) + "/unsafe_write");
  if (profile.devices.unsafe_wildcard) out.emplace_back("/devices/unsafe_wildcard");
  if (profile.resources.unsafe_realtime) out.emplace_back("/resources/unsafe_realtime");
  if (profile.hooks.allowed == HookSource::unsafe_any) out.emplace_back("/hooks/allowed");
  if (profile.network.mode == NetworkMode::unsafe_host) out.emplace_back("/network/mode");
  return out;
}

}  // namespace casemate::policy
