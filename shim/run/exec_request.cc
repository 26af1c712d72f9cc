#include "shim/run/exec_request.h"

#include <algorithm>

#include "shim/base/json.h"
#include "shim/base/number.h"
#include "shim/cgroup/files.h"

namespace casemate::run {
namespace {

constexpr std::uint32_t kHighestId = INT32_MAX;

std::optional<std::uint32_t> parse_id(std::string_view text) {
  const auto id = whole_number<std::uint32_t>(text);
  return id && *id <= kHighestId ? id : std::nullopt;
}

std::string_view name_of(std::string_view variable) {
  return variable.substr(0, variable.find('='));
}

// A name that is given again replaces the container's: what getenv(3) finds is the last word.
Result<std::vector<std::string>> merged_env(const std::vector<std::string>& own,
                                            const std::vector<std::string>& added) {
  std::vector<std::string> env = own;
  for (const std::string& variable : added) {
    const auto equals = variable.find('=');
    if (equals == std::string::npos || equals == 0)
      return bad_input("exec.env", "variable \"" + printable(variable) + "\"",
                       "write it as NAME=VALUE");
    std::erase_if(env, [&](const auto& one) { return name_of(one) == name_of(variable); });
    env.push_back(variable);
  }
  return env;
}

Json capabilities_json(const std::optional<oci::Capabilities>& own,
                       const std::vector<std::string>& added) {
  oci::Capabilities caps = own.value_or(oci::Capabilities{});
  for (auto* set : {&caps.bounding, &caps.effective, &caps.permitted})
    set->insert(set->end(), added.begin(), added.end());
  return {{"bounding", caps.bounding},
          {"effective", caps.effective},
          {"permitted", caps.permitted},
          {"inheritable", caps.inheritable},
          {"ambient", caps.ambient}};
}

Result<Json> user_json(const ExecRequest& request, const oci::User& own) {
  UserIds ids{own.uid, own.gid};
  if (!request.user.empty()) ids = TRY(parse_user(request.user));
  std::vector<std::uint32_t> groups = own.additional_gids;
  for (const std::string& text : request.additional_gids) {
    const auto gid = parse_id(text);
    if (!gid)
      return bad_input("exec.group", "additional group \"" + printable(text) + "\"",
                       "give a number from 0 to 2147483647");
    groups.push_back(*gid);
  }
  Json json = {
      {"uid", ids.uid}, {"gid", ids.gid.value_or(own.gid)}, {"additionalGids", std::move(groups)}};
  if (own.umask) json["umask"] = *own.umask;
  return json;
}

// Through the parser of process.json, so that both ways to ask are held to the same rules. Limits,
// OOM score and label that are left out are the container's (policy::decide_exec).
Result<Json> process_json(const ExecRequest& request, const oci::Process& container,
                          const std::vector<std::string>& env) {
  return Json{{"terminal", request.terminal},
              {"user", TRY(user_json(request, container.user))},
              {"args", request.args},
              {"env", env},
              {"cwd", request.cwd.empty() ? container.cwd : request.cwd},
              {"capabilities", capabilities_json(container.capabilities, request.capabilities)},
              {"noNewPrivileges", container.no_new_privileges || request.no_new_privileges},
              {"selinuxLabel", request.process_label}};
}

}  // namespace

Result<UserIds> parse_user(std::string_view text) {
  const auto colon = text.find(':');
  const auto uid = parse_id(text.substr(0, colon));
  const bool grouped = colon != std::string_view::npos;
  const auto gid = grouped ? parse_id(text.substr(colon + 1)) : std::nullopt;
  if (uid && grouped == gid.has_value()) return UserIds{*uid, gid};
  return bad_input("exec.user", "user \"" + printable(text) + "\"",
                   "give UID or UID:GID as numbers from 0 to 2147483647");
}

Result<oci::Process> asked_process(const ExecRequest& request, const oci::Process& container) {
  if (request.process_json) {
    auto process = TRY(oci::parse_process(*request.process_json));
    process.terminal = process.terminal || request.terminal;
    return process;
  }
  if (request.args.empty())
    return bad_input("exec.args", "no command to run", "name one after the container");
  const auto env = TRY(merged_env(container.env, request.env));
  auto process = TRY(oci::parse_process(dump(TRY(process_json(request, container, env)))));
  // JSON holds UTF-8 only: another byte would come back as U+FFFD, and something else would run.
  if (process.args != request.args || process.env != env ||
      process.selinux_label != request.process_label ||
      (!request.cwd.empty() && process.cwd != request.cwd))
    return bad_input("exec.utf8", "the command, its environment or its directory is not UTF-8",
                     "give text in UTF-8");
  return process;
}

Result<std::map<std::string, std::string>> parse_subgroups(const std::vector<std::string>& texts) {
  const auto malformed = [](const std::string& text, const char* hint) {
    return bad_input("exec.cgroup", "--cgroup " + printable(text), hint);
  };
  std::map<std::string, std::string> all;
  for (const std::string& text : texts) {
    const std::size_t colon = text.find(':');
    const bool named = colon != std::string::npos;
    if (!named && texts.size() > 1)
      return malformed(text, "several need a controller each, as in memory:PATH");
    std::string path = named ? text.substr(colon + 1) : text;
    path.erase(0, path.find_first_not_of('/'));
    if (path.empty()) return malformed(text, "name a control group below the container's own");
    const std::string names = named ? text.substr(0, colon) : "";
    for (const std::string_view name : cgroup::split(names, ',')) {
      if (named && name.empty()) return malformed(text, "a controller without a name");
      if (!all.emplace(name, path).second) return malformed(text, "a controller is named twice");
    }
  }
  return all;
}

}  // namespace casemate::run
