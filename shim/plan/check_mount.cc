#include "shim/plan/check_mount.h"

#include <linux/mount.h>
#include <sys/mount.h>

#include <algorithm>
#include <array>

namespace casemate::plan::detail {
namespace {

// What "ro" and its kind mean on a recursive bind: apply/prepare.cc sets them all the way down.
constexpr std::uint64_t kRestrictions =
    MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;

struct Flag {
  std::uint64_t attribute;
  bool ObservedMount::* held;
  const char* set;
  const char* clear;
};
constexpr std::array kFlags = {
    Flag{MOUNT_ATTR_RDONLY, &ObservedMount::readonly, "ro", "rw"},
    Flag{MOUNT_ATTR_NOSUID, &ObservedMount::nosuid, "nosuid", "suid"},
    Flag{MOUNT_ATTR_NODEV, &ObservedMount::nodev, "nodev", "dev"},
    Flag{MOUNT_ATTR_NOEXEC, &ObservedMount::noexec, "noexec", "exec"},
    Flag{MOUNT_ATTR_NOSYMFOLLOW, &ObservedMount::nosymfollow, "nosymfollow", "symfollow"},
    Flag{MOUNT_ATTR_NODIRATIME, &ObservedMount::nodiratime, "nodiratime", "diratime"},
};

// Later ones win: first those of the mount, then those of the whole tree.
MountAttributes together(const MountAttributes& first, const MountAttributes& then) {
  return {(first.set & ~then.clear) | then.set, (first.clear & ~then.set) | then.clear};
}

const char* access_times(std::uint64_t set) {
  if ((set & MOUNT_ATTR_NOATIME) != 0) return "noatime";
  return (set & MOUNT_ATTR_STRICTATIME) != 0 ? "strictatime" : "relatime";
}

const char* access_times(const ObservedMount& found) {
  if (found.noatime) return "noatime";
  return found.relatime ? "relatime" : "strictatime";
}

Status check_attributes(const ObservedMount& found, const MountAttributes& planned) {
  for (const Flag& flag : kFlags) {
    const bool held = found.*flag.held;
    if ((planned.set & flag.attribute) != 0 && !held)
      return differs("mount", found.point + " " + flag.set, flag.clear);
    if ((planned.clear & flag.attribute) != 0 && held)
      return differs("mount", found.point + " " + flag.clear, flag.set);
  }
  const bool timed = ((planned.set | planned.clear) & MOUNT_ATTR__ATIME) != 0;
  const std::string_view wanted = access_times(planned.set);
  if (!timed || wanted == access_times(found)) return {};
  return differs("mount", found.point + " " + std::string(wanted), access_times(found));
}

bool attached_by_a_step(const Observed& observed, std::uint64_t id) {
  return std::ranges::any_of(
      observed.mount_ids, [&](const auto& step) { return attached_by(observed, step.first, id); });
}

// Whether the mount hangs below `top` and came with it: no step put it, or what it hangs on, there.
bool came_with(const Observed& observed, const ObservedMount& top, const ObservedMount& mount) {
  const ObservedMount* at = &mount;
  while (at != nullptr && !attached_by_a_step(observed, at->id)) {
    if (at->parent == top.id) return true;
    const auto up = at->parent == at->id
                        ? observed.mounts.end()
                        : std::ranges::find(observed.mounts, at->parent, &ObservedMount::id);
    at = up == observed.mounts.end() ? nullptr : &*up;
  }
  return false;
}

Status check_below(const AttachMount& step, const ObservedMount& top, const Observed& observed) {
  const MountOptions& options = step.options;
  const MountAttributes planned =
      together({options.attributes.set & kRestrictions, 0}, options.recursive_attributes);
  for (const ObservedMount& mount : observed.mounts) {
    if (!came_with(observed, top, mount)) continue;
    TRY(check_attributes(mount, planned));
    if (options.idmap_recursive && !mount.idmapped)
      return differs("mount", mount.point + " idmapped", "not idmapped");
  }
  return {};
}

const char* propagation_name(std::uint64_t type) {
  switch (type) {
    case MS_SHARED:
      return "shared";
    case MS_SLAVE:
      return "slave";
    case MS_UNBINDABLE:
      return "unbindable";
    default:
      return "private";
  }
}

// A slave without a master is private: nothing reaches it, and nothing leaves it.
bool spreads_as(const ObservedMount& found, std::uint64_t type) {
  switch (type) {
    case MS_SHARED:
      return found.shared;
    case MS_UNBINDABLE:
      return found.unbindable;
    case MS_SLAVE:
      return !found.shared && !found.unbindable;
    default:
      return !found.shared && !found.slave && !found.unbindable;
  }
}

Status check_spread(const ObservedMount& found, std::uint64_t type) {
  if (spreads_as(found, type)) return {};
  const std::string other = found.shared ? "shared" : found.slave ? "slave" : "another propagation";
  return differs("mount", found.point + " " + propagation_name(type), other);
}

}  // namespace

std::unexpected<Error> differs(std::string_view step, const std::string& planned,
                               const std::string& found) {
  return internal("readback." + std::string(step),
                  "planned " + planned + ", the kernel shows " + found,
                  "the container was not started; report this with the plan");
}

bool attached_by(const Observed& observed, std::size_t step, std::uint64_t id) {
  const auto ids = observed.mount_ids.find(step);
  return ids != observed.mount_ids.end() && std::ranges::find(ids->second, id) != ids->second.end();
}

Status check_options(const AttachMount& step, const ObservedMount& top, const Observed& observed) {
  TRY(check_attributes(top, together(step.options.attributes, step.options.recursive_attributes)));
  // Which ids it maps was read back when it was made (apply/prepare.cc).
  if (step.idmap && !top.idmapped)
    return differs("mount", step.destination + " idmapped", "not idmapped");
  return step.options.bind_recursive ? check_below(step, top, observed) : Status();
}

Status check_propagation(const Plan& plan, const Observed& observed) {
  const auto* root = plan.find<AttachRoot>();
  const std::uint64_t of_root = root == nullptr ? 0 : root->propagation;
  const bool late = of_root == MS_SHARED || of_root == MS_UNBINDABLE;  // set after all mounts
  for (const ObservedMount& mount : observed.mounts)
    if (late && mount.point == "/") TRY(check_spread(mount, of_root));
  if (late && root->propagation_recursive) return {};
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    const auto* step = std::get_if<AttachMount>(&plan.steps[i]);
    if (step == nullptr || step->options.propagation == 0) continue;
    for (const ObservedMount& mount : observed.mounts)
      if (attached_by(observed, i, mount.id)) TRY(check_spread(mount, step->options.propagation));
  }
  return {};
}

}  // namespace casemate::plan::detail
