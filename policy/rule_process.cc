// Rules about who a process is and what it may do.
#include <algorithm>

#include "policy/match.h"
#include "policy/rules.h"

namespace casemate::policy {
namespace {

bool in_ranges(const std::vector<IdRange>& ranges, std::uint32_t id) {
  return std::ranges::any_of(ranges, [id](const IdRange& r) { return id >= r.min && id <= r.max; });
}

// Root of a user namespace that does not map the host's root is nobody outside. (The mappings of
// one that is joined are those that the kernel shows, see run/joined_namespaces.h.)
bool root_is_mapped_away(const oci::Linux& section) {
  const oci::Namespace* user = section.find(oci::NamespaceType::user);
  if (user == nullptr || section.uid_mappings.empty()) return false;
  const auto maps_root = [](const oci::IdMapping& map) { return map.host_id == 0; };
  return std::ranges::none_of(section.uid_mappings, maps_root);
}

std::optional<std::uint32_t> host_id(const std::vector<oci::IdMapping>& maps, std::uint32_t id) {
  if (maps.empty()) return id;
  for (const oci::IdMapping& map : maps)
    if (id >= map.container_id && id - map.container_id < map.size)
      return map.host_id + (id - map.container_id);
  return {};
}

// A mapping may make any id of the container the host's root.
bool is_host_root(const Judgement& j) {
  const auto& section = j.spec.linux;
  const auto& user = j.spec.process->user;
  return user.uid != 0 && host_id(section.uid_mappings, user.uid) == 0U;
}

bool maps_host_group_root(const Judgement& j) {
  const auto to_root = [](const oci::IdMapping& map) { return map.host_id == 0; };
  return std::ranges::any_of(j.spec.linux.gid_mappings, to_root);
}

bool root_allowed(const Judgement& j) {
  switch (j.profile.user.root) {
    case RootUser::always:
      return true;
    case RootUser::in_user_namespace:
      return root_is_mapped_away(j.spec.linux) && !maps_host_group_root(j);
    case RootUser::never:
      return false;
  }
  return false;
}

// Removes what is not in the ceiling; the removed names are added to `removed`, each once.
void keep_only(std::vector<std::string>& set, const std::vector<std::string>& allowed,
               std::vector<std::string>& removed) {
  for (const auto& name : set)
    if (!contains(allowed, name) && !contains(removed, name)) removed.push_back(name);
  std::erase_if(set, [&](const auto& name) { return !contains(allowed, name); });
}

std::vector<std::string> all_asked(const oci::Capabilities& caps) {
  std::vector<std::string> out;
  for (const auto* set :
       {&caps.bounding, &caps.effective, &caps.permitted, &caps.inheritable, &caps.ambient})
    for (const auto& name : *set)
      if (!contains(out, name)) out.push_back(name);
  return out;
}

std::vector<std::string> common(const std::vector<std::string>& names,
                                const std::vector<std::string>& of) {
  std::vector<std::string> out;
  for (const auto& name : names)
    if (contains(of, name)) out.push_back(name);
  return out;
}

// Inheritable sets survive execve into any file that names them (CVE-2022-24769): they serve only
// to carry ambient ones.
void bound_inheritable(Judgement& j, oci::Capabilities& caps, const std::string& pointer) {
  if (!j.profile.capabilities.ambient && !caps.ambient.empty()) {
    j.tighten("capabilities.ambient", pointer + "/ambient", joined(caps.ambient), "nothing", "");
    caps.ambient.clear();
  }
  std::vector<std::string> removed;
  keep_only(caps.inheritable, caps.ambient, removed);
  if (!removed.empty())
    j.tighten("capabilities.inheritable", pointer + "/inheritable", joined(removed),
              "only what is ambient", "");
}

void bound_ceiling(Judgement& j, oci::Capabilities& caps, const std::string& pointer) {
  const auto& ceiling = j.profile.capabilities.ceiling;
  oci::Capabilities bounded = caps;
  std::vector<std::string> beyond;
  for (auto* set : {&bounded.bounding, &bounded.effective, &bounded.permitted, &bounded.inheritable,
                    &bounded.ambient})
    keep_only(*set, ceiling, beyond);
  if (beyond.empty()) return;
  if (j.profile.capabilities.beyond == Beyond::deny)
    return j.deny("capabilities.ceiling", pointer, joined(beyond), joined(ceiling),
                  "drop these capabilities");
  caps = std::move(bounded);
  j.tighten("capabilities.ceiling", pointer, joined(beyond), joined(ceiling),
            "they are dropped; have them added to capabilities.ceiling if they are needed");
}

void bound_oom_score(Judgement& j) {
  auto& score = j.spec.process->oom_score_adj;
  const int least = j.profile.resources.oom_score_adj_min;
  if (!score || *score >= least) return;
  j.tighten("resources.oom-score", j.process_pointer + "/oomScoreAdj", std::to_string(*score),
            std::to_string(least) + " and above", "");
  score = least;
}

}  // namespace

void judge_user(Judgement& j) {
  auto& user = j.spec.process->user;
  const std::string pointer = j.process_pointer + "/user";
  if (user.uid == 0 && !root_allowed(j))
    j.deny("user.root", pointer + "/uid", "uid 0",
           j.profile.user.root == RootUser::never ? "other users"
                                                  : "uid 0 only in a user namespace of its own",
           "run as another user: USER in the image, or --user");
  else if (user.uid != 0 && !in_ranges(j.profile.user.uids, user.uid))
    j.deny("user.uid", pointer + "/uid", "uid " + std::to_string(user.uid),
           "the uids of the profile", "run as a user within user.uids");
  if (j.profile.user.root != RootUser::always && is_host_root(j))
    j.deny("user.host-root", pointer + "/uid", "a user that is the host's root",
           "users other than the host's root", "map the container's ids to unprivileged host ids");
  const bool root_group = user.gid == 0 && root_allowed(j);
  if (!root_group && !in_ranges(j.profile.user.gids, user.gid))
    j.deny("user.gid", pointer + "/gid", "gid " + std::to_string(user.gid),
           "the gids of the profile", "run with a group within user.gids");
  std::string dropped;
  std::erase_if(user.additional_gids, [&](std::uint32_t gid) {
    if (in_ranges(j.profile.user.gids, gid) || (gid == 0 && root_allowed(j))) return false;
    dropped += (dropped.empty() ? "" : ", ") + std::to_string(gid);
    return true;
  });
  if (!dropped.empty())
    j.tighten("user.groups", pointer + "/additionalGids", "groups " + dropped,
              "the gids of the profile", "");
}

void judge_capabilities(Judgement& j) {
  const std::string pointer = j.process_pointer + "/capabilities";
  auto& process = *j.spec.process;
  if (!process.capabilities) {
    process.capabilities.emplace();
    j.tighten("capabilities.absent", pointer, "the runtime's own capabilities", "nothing", "");
    return;
  }
  auto& caps = *process.capabilities;
  const auto refused = common(all_asked(caps), j.profile.capabilities.refuse);
  if (!refused.empty())
    j.deny("capabilities.refused", pointer, joined(refused), joined(j.profile.capabilities.ceiling),
           "run without --privileged and without these capabilities");
  bound_ceiling(j, caps, pointer);
  bound_inheritable(j, caps, pointer);
}

void judge_process(Judgement& j) {
  auto& process = *j.spec.process;
  const std::string& base = j.process_pointer;
  if (j.profile.no_new_privileges == NoNewPrivileges::require && !process.no_new_privileges) {
    process.no_new_privileges = true;
    j.tighten("process.no-new-privileges", base + "/noNewPrivileges", "false", "true", "");
  }
  if (process.terminal && !j.profile.process.terminal)
    j.deny("process.terminal", base + "/terminal", "a terminal", "none", "run without -t");
  // Descriptors of the runtime are reachable there (CVE-2024-21626).
  if (path_within("/proc", oci::normalise_path(process.cwd)))
    j.deny("process.cwd-proc", base + "/cwd", "working directory " + process.cwd,
           "directories outside /proc", "choose another working directory");
  const auto& program = process.args.front();
  if (program.starts_with('/') && path_within("/proc", oci::normalise_path(program)))
    j.deny("process.args-proc", base + "/args/0", "program " + program, "programs outside /proc",
           "name the program by its own path");
  bound_oom_score(j);
}

void judge_rlimits(Judgement& j) {
  auto& limits = j.spec.process->rlimits;
  const std::string pointer = j.process_pointer + "/rlimits";
  for (auto& limit : limits) {
    const auto top = j.profile.rlimits.ceilings.find(limit.type);
    if (top == j.profile.rlimits.ceilings.end() || limit.hard <= top->second) continue;
    j.tighten("rlimits.ceiling", pointer, limit.type + " " + std::to_string(limit.hard),
              std::to_string(top->second), "");
    limit.hard = top->second;
    limit.soft = std::min(limit.soft, limit.hard);
  }
  for (const auto& [type, value] : j.profile.rlimits.set) {
    if (std::ranges::find(limits, type, &oci::Rlimit::type) != limits.end()) continue;
    limits.push_back({type, value, value});
    j.tighten("rlimits.set", pointer, "no " + type, std::to_string(value), "");
  }
}

}  // namespace casemate::policy
