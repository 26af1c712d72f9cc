#include <algorithm>
#include <array>

#include "shim/oci/parse_detail.h"

namespace casemate::oci {

bool is_rlimit(std::string_view name) {
  static constexpr std::array kRlimits = {
      "RLIMIT_AS",     "RLIMIT_CORE",   "RLIMIT_CPU",        "RLIMIT_DATA",
      "RLIMIT_FSIZE",  "RLIMIT_LOCKS",  "RLIMIT_MEMLOCK",    "RLIMIT_MSGQUEUE",
      "RLIMIT_NICE",   "RLIMIT_NOFILE", "RLIMIT_NPROC",      "RLIMIT_RSS",
      "RLIMIT_RTPRIO", "RLIMIT_RTTIME", "RLIMIT_SIGPENDING", "RLIMIT_STACK"};
  return std::ranges::find(kRlimits, name) != kRlimits.end();
}

namespace detail {
namespace {

Result<User> parse_user(JsonObject object) {
  User user;
  user.uid = TRY(get_id(object, "uid"));
  user.gid = TRY(get_id(object, "gid"));
  user.umask = TRY(find_u32(object, "umask"));
  if (user.umask && *user.umask > 0777)
    return bad_input("oci.umask", "umask above 0777", {}, object.pointer_to("umask"));
  const Json* groups = object.take("additionalGids");
  if (groups == nullptr) return user;
  const std::string pointer = object.pointer_to("additionalGids");
  if (!groups->is_array()) return bad_input("json.type", "expected an array", {}, pointer);
  // As an object, so that every element goes through the same range check as uid and gid.
  for (std::size_t i = 0; i < groups->size(); ++i) {
    const Json wrapped = {{std::to_string(i), (*groups)[i]}};
    auto element = TRY(JsonObject::of(wrapped, pointer));
    if (!element.has(std::to_string(i)))
      return bad_input("oci.uid-range", "group id null", {}, element.pointer_to(std::to_string(i)));
    user.additional_gids.push_back(TRY(get_id(element, std::to_string(i))));
  }
  return user;
}

Status check_capability(const std::string& name, const std::string& pointer) {
  const bool shaped =
      name.starts_with("CAP_") && name.size() > 4 &&
      std::ranges::all_of(name, [](char c) { return (c >= 'A' && c <= 'Z') || c == '_'; });
  if (shaped) return {};
  return bad_input("oci.capability", "capability \"" + printable(name) + "\"",
                   "write it like CAP_CHOWN", pointer);
}

Result<std::vector<std::string>> capability_set(JsonObject& object, std::string_view key) {
  auto names = TRY(object.get_or<std::vector<std::string>>(key, {}));
  std::vector<std::string> out;
  for (std::size_t i = 0; i < names.size(); ++i) {
    TRY(check_capability(names[i], object.pointer_to(key) + "/" + std::to_string(i)));
    if (std::ranges::find(out, names[i]) == out.end()) out.push_back(std::move(names[i]));
  }
  return out;
}

Result<Capabilities> parse_capabilities(JsonObject object) {
  Capabilities caps;
  caps.bounding = TRY(capability_set(object, "bounding"));
  caps.effective = TRY(capability_set(object, "effective"));
  caps.inheritable = TRY(capability_set(object, "inheritable"));
  caps.permitted = TRY(capability_set(object, "permitted"));
  caps.ambient = TRY(capability_set(object, "ambient"));
  return caps;
}

Result<Rlimit> parse_rlimit(JsonObject object) {
  Rlimit limit;
  limit.type = TRY(object.get<std::string>("type"));
  limit.hard = TRY(object.get<std::uint64_t>("hard"));
  limit.soft = TRY(object.get<std::uint64_t>("soft"));
  if (!is_rlimit(limit.type))
    return bad_input("oci.rlimit", "unknown limit \"" + printable(limit.type) + "\"", {},
                     object.pointer_to("type"));
  if (limit.soft > limit.hard)
    return bad_input("oci.rlimit", limit.type + ": the soft limit is above the hard one", {},
                     object.pointer_to("soft"));
  return limit;
}

Result<std::vector<Rlimit>> parse_rlimits(JsonObject& process) {
  std::vector<Rlimit> out;
  for (auto& object : TRY(process.objects("rlimits"))) {
    auto limit = TRY(parse_rlimit(object));
    const auto same = [&](const Rlimit& other) { return other.type == limit.type; };
    if (std::ranges::any_of(out, same))
      return bad_input("oci.rlimit", limit.type + " is given twice", {}, object.pointer());
    out.push_back(std::move(limit));
  }
  return out;
}

Result<std::optional<ConsoleSize>> parse_console(JsonObject& process) {
  auto object = TRY(process.find_object("consoleSize"));
  if (!object) return std::optional<ConsoleSize>();
  const auto height = TRY(object->get<std::uint64_t>("height"));
  const auto width = TRY(object->get<std::uint64_t>("width"));
  if (height > UINT16_MAX || width > UINT16_MAX)
    return bad_input("oci.number-range", "console size above 65535", {}, object->pointer());
  return std::optional<ConsoleSize>(
      ConsoleSize{static_cast<std::uint16_t>(height), static_cast<std::uint16_t>(width)});
}

Status parse_security(JsonObject& object, Process& process) {
  process.no_new_privileges = TRY(object.get_or("noNewPrivileges", false));
  process.apparmor_profile = TRY(object.get_or<std::string>("apparmorProfile", {}));
  if (!process.apparmor_profile.empty() && process.apparmor_profile != "unconfined")
    return unsupported("oci.apparmorProfile",
                       "AppArmor profile \"" + printable(process.apparmor_profile) + "\"",
                       "run without an AppArmor profile; casemate applies SELinux labels",
                       object.pointer_to("apparmorProfile"));
  process.selinux_label = TRY(object.get_or<std::string>("selinuxLabel", {}));
  TRY(check_printable(process.selinux_label, "oci.selinux-label",
                      object.pointer_to("selinuxLabel")));
  const auto score = TRY(object.find<std::int64_t>("oomScoreAdj"));
  if (score && (*score < -1000 || *score > 1000))
    return bad_input("oci.oom-score", "oomScoreAdj " + std::to_string(*score),
                     "it goes from -1000 to 1000", object.pointer_to("oomScoreAdj"));
  if (score) process.oom_score_adj = static_cast<int>(*score);
  return {};
}

Status parse_command(JsonObject& object, Process& process) {
  process.args = TRY(object.get<std::vector<std::string>>("args"));
  if (process.args.empty() || process.args.front().empty())
    return bad_input("oci.args", "no program to run", "give process.args at least one element",
                     object.pointer_to("args"));
  process.env = TRY(object.get_or<std::vector<std::string>>("env", {}));
  TRY(check_env(process.env, object.pointer_to("env")));
  const auto cwd = TRY(object.get<std::string>("cwd"));
  // Kept as written but for the shape: the kernel's own chdir decides what it means.
  if (!cwd.starts_with('/'))
    return bad_input("oci.cwd", "working directory \"" + printable(cwd) + "\"",
                     "give an absolute path", object.pointer_to("cwd"));
  TRY(check_printable(cwd, "oci.cwd", object.pointer_to("cwd")));
  process.cwd = cwd;
  return {};
}

}  // namespace

Result<Process> parse_process_object(JsonObject object) {
  Process process;
  process.terminal = TRY(object.get_or("terminal", false));
  process.console_size = TRY(parse_console(object));
  if (auto user = TRY(object.find_object("user"))) process.user = TRY(parse_user(*user));
  TRY(parse_command(object, process));
  if (auto caps = TRY(object.find_object("capabilities")))
    process.capabilities = TRY(parse_capabilities(*caps));
  process.rlimits = TRY(parse_rlimits(object));
  TRY(parse_security(object, process));
  TRY(parse_scheduling(object, process));
  return process;
}

}  // namespace detail

Result<Process> parse_process(std::string_view process_json) {
  const Json json = TRY(parse_json(process_json));
  return detail::parse_process_object(TRY(JsonObject::of(json)));
}

}  // namespace casemate::oci
