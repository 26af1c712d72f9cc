#include "shim/plan/check.h"

#include <linux/mount.h>

#include <algorithm>

#include "shim/plan/check_mount.h"
#include "shim/plan/scheduling.h"

namespace casemate::plan {
namespace {

using detail::attached_by;
using detail::differs;

std::string hex(std::uint64_t value) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text(16, '0');
  for (std::size_t i = 0; i < 16; ++i) text[15 - i] = kDigits[value >> (4 * i) & 0xf];
  return text;
}

const ObservedMount* find_mount(const Observed& observed, std::uint64_t id) {
  for (const ObservedMount& mount : observed.mounts)
    if (mount.id == id) return &mount;
  return nullptr;
}

Status check_flags(const ObservedMount& found, std::uint64_t set, const std::string& where) {
  const auto missing = [&](std::uint64_t flag, bool held) { return (set & flag) != 0 && !held; };
  if (missing(MOUNT_ATTR_RDONLY, found.readonly)) return differs("mount", where + " ro", "rw");
  if (missing(MOUNT_ATTR_NOSUID, found.nosuid)) return differs("mount", where + " nosuid", "suid");
  if (missing(MOUNT_ATTR_NODEV, found.nodev)) return differs("mount", where + " nodev", "dev");
  if (missing(MOUNT_ATTR_NOEXEC, found.noexec)) return differs("mount", where + " noexec", "exec");
  if (missing(MOUNT_ATTR_NOSYMFOLLOW, found.nosymfollow))
    return differs("mount", where + " nosymfollow", "symfollow");
  return {};
}

Status check_label(const ObservedMount& found, const std::string& label, const std::string& where) {
  if (label.empty() || found.label == label) return {};
  return differs("mount", where + " labelled " + label,
                 found.label.empty() ? "no label of the mount" : found.label);
}

// Whether the mount, or one that it hangs on, was put there by a step after this one: what lies
// below a read-only path is a copy of what was mounted there.
bool covered_later(const Observed& observed, std::size_t index, std::uint64_t id) {
  for (const ObservedMount* mount = find_mount(observed, id); mount != nullptr;
       mount = mount->parent == mount->id ? nullptr : find_mount(observed, mount->parent))
    for (const auto& [step, ids] : observed.mount_ids)
      if (step > index && attached_by(observed, step, mount->id)) return true;
  return false;
}

// Numbers of mounts are used again: that one of this number hangs somewhere says little. The path
// itself must lead to it, or to what a later step put over it on purpose.
Status check_place(const Observed& observed, std::size_t index, const std::string& where) {
  const auto at = observed.mount_at.find(index);
  if (at == observed.mount_at.end()) return differs("mount", where, "nothing known of the path");
  if (attached_by(observed, index, at->second)) return {};
  if (covered_later(observed, index, at->second)) return {};
  return differs("mount", where, "another mount there");
}

// Every mount that init says it attached must hang in the container, where it belongs.
Result<std::vector<const ObservedMount*>> attached(const Observed& observed, std::size_t index,
                                                   const std::string& where) {
  std::vector<const ObservedMount*> found;
  const auto ids = observed.mount_ids.find(index);
  if (ids == observed.mount_ids.end() || ids->second.empty())
    return differs("mount", where, "nothing attached");
  TRY(check_place(observed, index, where));
  for (const std::uint64_t id : ids->second) {
    if (id == 0) continue;  // a path that is absent has nothing to cover
    const ObservedMount* mount = find_mount(observed, id);
    if (mount == nullptr) return differs("mount", where, "no such mount");
    found.push_back(mount);
  }
  return found;
}

Status check_step(const AttachMount& step, std::size_t index, const Observed& observed) {
  const auto found = TRY(attached(observed, index, step.destination));
  if (found.empty()) return differs("mount", step.destination, "nothing attached");
  const ObservedMount& top = *found.front();
  const bool typed = step.kind == MountKind::filesystem || step.kind == MountKind::scratch;
  if (typed && top.type != step.type)
    return differs("mount", step.destination + " of type " + step.type, top.type);
  TRY(check_label(top, step.label, step.destination));
  if (step.kind == MountKind::dataset)
    return check_flags(top,
                       MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
                           MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOSYMFOLLOW,
                       step.destination);
  if (step.kind != MountKind::cgroup) return detail::check_options(step, top, observed);
  for (const ObservedMount* mount : found)
    TRY(check_flags(*mount, step.options.attributes.set, step.destination));
  return {};
}

Status check_step(const ReadonlyPath& step, std::size_t index, const Observed& observed) {
  for (const ObservedMount* mount : TRY(attached(observed, index, step.path)))
    TRY(check_flags(*mount, MOUNT_ATTR_RDONLY, step.path));
  return {};
}

Status check_step(const MaskPath& step, std::size_t index, const Observed& observed) {
  TRY(attached(observed, index, step.path));
  return {};
}

const ObservedMount* root_mount(const Observed& observed) {
  const ObservedMount* found = nullptr;
  for (const ObservedMount& mount : observed.mounts)
    if (mount.point == "/") found = &mount;
  return found;
}

Status check_step(const PivotRoot&, std::size_t, const Observed& observed) {
  const auto roots = std::count_if(observed.mounts.begin(), observed.mounts.end(),
                                   [](const ObservedMount& mount) { return mount.point == "/"; });
  if (roots != 1) return differs("pivot-root", "one root", std::to_string(roots));
  return {};
}

Status check_step(const AttachRoot& step, std::size_t, const Observed& observed) {
  const ObservedMount* root = root_mount(observed);
  if (root == nullptr) return differs("root", step.source, "no root mount");
  if (step.upper_bytes > 0 && root->type != "overlay")
    return differs("root", "overlay", root->type);
  return check_label(*root, step.label, "the root");
}

Status check_step(const RootReadonly&, std::size_t, const Observed& observed) {
  const ObservedMount* root = root_mount(observed);
  if (root == nullptr || !root->readonly) return differs("root-readonly", "ro", "rw");
  return {};
}

Status check_step(const Namespaces& step, std::size_t, const Observed& observed) {
  for (const oci::Namespace& asked : step.all) {
    const std::string name(oci::to_string(asked.type));
    const auto found = observed.namespaces.find(name);
    if (found == observed.namespaces.end() || found->second.container == 0)
      return differs("namespaces", name, "unknown");
    const NamespaceInodes& inodes = found->second;
    if (asked.path.empty() && inodes.container == inodes.host)
      return differs("namespaces", "a new " + name + " namespace", "the host's");
    if (!asked.path.empty() && inodes.container == inodes.host)
      return differs("namespaces", name + " namespace " + asked.path, "the host's");
    if (!asked.path.empty() && inodes.container != inodes.asked)
      return differs("namespaces", name + " namespace " + asked.path, "another");
  }
  return {};
}

bool all_are(const std::array<std::uint32_t, 4>& ids, std::uint32_t id) {
  return std::all_of(ids.begin(), ids.end(), [&](std::uint32_t one) { return one == id; });
}

Status check_step(const SetCredentials& step, std::size_t, const Observed& observed) {
  if (!all_are(observed.uids, step.user.uid))
    return differs("credentials", "uid " + std::to_string(step.user.uid),
                   std::to_string(observed.uids[0]));
  if (!all_are(observed.gids, step.user.gid))
    return differs("credentials", "gid " + std::to_string(step.user.gid),
                   std::to_string(observed.gids[0]));
  auto planned = step.user.additional_gids;
  auto found = observed.groups;
  std::sort(planned.begin(), planned.end());
  std::sort(found.begin(), found.end());
  if (planned != found)
    return differs("credentials", std::to_string(planned.size()) + " additional groups",
                   std::to_string(found.size()) + " or others");
  if (observed.umask != step.user.umask.value_or(kDefaultUmask))
    return differs("credentials", "another umask", std::to_string(observed.umask));
  return {};
}

Status check_set(const char* name, std::uint64_t planned, std::uint64_t found,
                 std::uint64_t available) {
  if ((planned & available) == found) return {};
  return differs("capabilities", std::string(name) + " " + hex(planned & available), hex(found));
}

Status check_step(const SetCapabilities& step, std::size_t, const Observed& observed) {
  const std::uint64_t available = observed.machine_capabilities;
  TRY(check_set("bounding", step.bounding, observed.cap_bounding, available));
  TRY(check_set("permitted", step.permitted, observed.cap_permitted, available));
  TRY(check_set("effective", step.effective, observed.cap_effective, available));
  TRY(check_set("inheritable", step.inheritable, observed.cap_inheritable, available));
  return check_set("ambient", step.ambient, observed.cap_ambient, available);
}

Status check_step(const NoNewPrivileges&, std::size_t, const Observed& observed) {
  if (!observed.no_new_privileges) return differs("no-new-privileges", "1", "0");
  return {};
}

Status check_step(const SetOomScore& step, std::size_t, const Observed& observed) {
  if (observed.oom_score_adj == step.score) return {};
  return differs("oom-score", std::to_string(step.score), std::to_string(observed.oom_score_adj));
}

Status check_step(const SetRlimit& step, std::size_t, const Observed& observed) {
  const auto found = observed.limits.find(step.limit.type);
  if (found == observed.limits.end()) return differs("rlimit", step.limit.type, "nothing");
  if (found->second.soft != step.limit.soft || found->second.hard != step.limit.hard)
    return differs("rlimit", step.limit.type + " " + std::to_string(step.limit.soft),
                   std::to_string(found->second.soft));
  return {};
}

Status check_step(const SetScheduler& step, std::size_t, const Observed& observed) {
  return check_scheduler(step.scheduler, observed.scheduler);
}

Status check_step(const SetIoPriority& step, std::size_t, const Observed& observed) {
  const int planned = io_priority_number(step.priority);
  if (observed.io_priority == planned) return {};
  return differs("io-priority", std::to_string(planned), std::to_string(observed.io_priority));
}

Status check_step(const SetCpuAffinity& step, std::size_t, const Observed& observed) {
  return check_affinity("cpu-affinity", step.cpus, observed.cpus);
}

Status check_step(const SetPersonality& step, std::size_t, const Observed& observed) {
  if (observed.personality == personality_number(step.domain)) return {};
  return differs("personality", step.domain, hex(observed.personality));
}

Status check_step(const SetLabel& step, std::size_t, const Observed& observed) {
  if (observed.exec_label == step.process_label) return {};
  return differs("selinux-label", step.process_label, observed.exec_label);
}

Status check_step(const CreateCgroup& step, std::size_t, const Observed& observed) {
  if (!observed.in_cgroup) return differs("cgroup", step.path, "another cgroup");
  return {};
}

// The other steps are read back where they are done (init's own procfs) or have no lasting state.
template <class S>
Status check_step(const S&, std::size_t, const Observed&) {
  return {};
}

Status check_filters(const Plan& plan, const Observed& observed) {
  const auto planned = std::count_if(plan.steps.begin(), plan.steps.end(), [](const Step& step) {
    return std::holds_alternative<LoadSeccomp>(step);
  });
  if (planned != observed.seccomp_filters)
    return differs("seccomp", std::to_string(planned) + " filters",
                   std::to_string(observed.seccomp_filters));
  if (planned > 0 && observed.seccomp_mode != 2)
    return differs("seccomp", "mode 2", std::to_string(observed.seccomp_mode));
  return {};
}

// Whoever shares a session shares its terminal (CVE-2016-2568 and its kind).
Status check_session(const Observed& observed) {
  if (observed.session_leader) return {};
  return differs("session", "a session of its own", "its caller's");
}

Status check_descriptors(const Observed& observed) {
  if (observed.descriptors.empty()) return {};
  return differs("descriptors", "none beyond 0, 1 and 2",
                 "descriptor " + std::to_string(observed.descriptors[0]));
}

}  // namespace

Status check(const Plan& plan, const Observed& observed) {
  for (std::size_t i = 0; i < plan.steps.size(); ++i)
    TRY(std::visit([&](const auto& step) { return check_step(step, i, observed); }, plan.steps[i]));
  TRY(detail::check_propagation(plan, observed));
  TRY(check_filters(plan, observed));
  TRY(check_session(observed));
  return check_descriptors(observed);
}

}  // namespace casemate::plan
