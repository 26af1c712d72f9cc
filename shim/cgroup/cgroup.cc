// Making, finding and removing the leaf in every hierarchy.
#include "shim/cgroup/cgroup.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "shim/cgroup/files.h"
#include "shim/cgroup/paths.h"

namespace casemate::cgroup {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kRemovePatience{1000};
constexpr milliseconds kManagerPatience{2000};
constexpr int kMakeAttempts = 3;
constexpr mode_t kMode = 0755;

bool is_errno(const Error& error, int value) {
  return error.sys_errno == value;
}

bool has_v1_controllers(const std::vector<Hierarchy>& all) {
  return std::ranges::any_of(all, [](const Hierarchy& one) {
    return !one.v2 && std::ranges::any_of(one.controllers, [](const std::string& name) {
      return !name.starts_with("name=");
    });
  });
}

}  // namespace

Result<Cgroup> Cgroup::prepare(sys::Kernel& kernel, const std::vector<Hierarchy>& hierarchies,
                               std::string_view cgroups_path) {
  Cgroup made(kernel);
  const bool v2_alone = !has_v1_controllers(hierarchies);
  for (const Hierarchy& one : hierarchies) {
    Place place{.hierarchy = one};
    place.path = TRY(leaf_path(one, one.v2 && v2_alone, cgroups_path));
    place.mount = TRY(open_mount_point(kernel, one.mount_point));
    TRY(check_magic(place.mount.get(), one.v2, one.mount_point));
    made.places_.push_back(std::move(place));
  }
  return made;
}

Result<Cgroup> Cgroup::create(sys::Kernel& kernel, const std::vector<Hierarchy>& hierarchies,
                              std::string_view cgroups_path) {
  Cgroup made = TRY(prepare(kernel, hierarchies, cgroups_path));
  const bool v2_alone = !has_v1_controllers(hierarchies);
  for (Place& place : made.places_) {
    auto status = made.make(place);
    // Engines read usage from v2 files that exist only with the controller on; a hybrid host has
    // them in v1, and there v2's are turned on when a limit needs them.
    if (status && place.hierarchy.v2 && v2_alone) {
      (void)made.enable_controllers(place, place.hierarchy.controllers);
    }
    if (status) continue;
    (void)made.remove();
    made.remove_made_parents();
    return std::unexpected(
        std::move(status.error())
            .with_context("make " + place.hierarchy.mount_point + "/" + place.path));
  }
  return made;
}

Result<Cgroup> Cgroup::adopt(sys::Kernel& kernel, const std::vector<Hierarchy>& hierarchies,
                             std::string_view path) {
  if (hierarchies.size() != 1 || !hierarchies.front().v2) {
    return unsupported("cgroup.systemd-v1", "a group of systemd's on a host with cgroup v1",
                       "boot with systemd.unified_cgroup_hierarchy=1, or use the cgroupfs driver");
  }
  Cgroup adopted = TRY(prepare(kernel, hierarchies, path));
  Place& place = adopted.places_.front();
  place.managed = true;
  auto opened = adopted.open_leaf(place);
  if (!opened)
    return std::unexpected(std::move(opened.error()).with_context("adopt " + place.path));
  return adopted;
}

Result<Cgroup> Cgroup::find(sys::Kernel& kernel, const std::vector<Hierarchy>& hierarchies,
                            std::string_view cgroups_path) {
  Cgroup found = TRY(prepare(kernel, hierarchies, cgroups_path));
  for (Place& place : found.places_) {
    const auto status = found.open_leaf(place);
    if (!status && !is_errno(status.error(), ENOENT)) return std::unexpected(status.error());
  }
  return found;
}

Status Cgroup::open_leaf(Place& place) {
  auto leaf = TRY(open_below(*kernel_, place.mount.get(), place.path, O_RDONLY | O_DIRECTORY));
  const struct stat info = TRY(kernel_->fstatat(leaf.get(), "", AT_EMPTY_PATH));
  if (info.st_ino == 0) return internal("cgroup.magic", "fstatat gave no inode for " + place.path);
  place.device = info.st_dev;
  place.inode = info.st_ino;
  place.leaf = std::move(leaf);
  return {};
}

Result<UniqueFd> Cgroup::make_parents(Place& place) {
  const std::string path = parent_of(place.path);
  const int flags = O_PATH | O_DIRECTORY;
  auto parent = open_below(*kernel_, place.mount.get(), path.empty() ? "." : path, flags);
  if (parent || !is_errno(parent.error(), ENOENT)) return parent;
  UniqueFd at = TRY(open_below(*kernel_, place.mount.get(), ".", flags));
  for (const std::string_view piece : split(path, '/')) {
    const std::string name(piece);
    const auto made = kernel_->mkdirat(at.get(), name, kMode);
    if (!made && !is_errno(made.error(), EEXIST)) return std::unexpected(made.error());
    if (made) ++place.made_parents;
    at = TRY(open_below(*kernel_, at.get(), name, flags));
  }
  return at;
}

Status Cgroup::make_leaf(Place& place, int parent) {
  const std::string name = name_of(place.path);
  auto made = kernel_->mkdirat(parent, name, kMode);
  if (made || !is_errno(made.error(), EEXIST)) return made;
  // Left behind by a create that died, or prepared by somebody: its settings are not ours.
  const auto old = TRY(open_below(*kernel_, parent, name, O_RDONLY | O_DIRECTORY));
  auto cleared = remove_children(*kernel_, old.get());
  if (cleared) cleared = kernel_->unlinkat(parent, name, AT_REMOVEDIR);
  if (!cleared && is_errno(cleared.error(), EBUSY)) {
    return denied("cgroup.busy", "control group /" + place.path + " has processes already",
                  "another container uses it: choose another id or cgroups path",
                  "/linux/cgroupsPath");
  }
  if (!cleared && !is_errno(cleared.error(), ENOENT)) return cleared;
  return kernel_->mkdirat(parent, name, kMode);
}

Status Cgroup::make(Place& place) {
  UniqueFd parent;
  for (int attempt = 1;; ++attempt) {
    parent = TRY(make_parents(place));
    const auto made = make_leaf(place, parent.get());
    if (made) break;
    // Another runtime may remove an empty parent between our two calls.
    const bool again = is_errno(made.error(), ENOENT) && attempt < kMakeAttempts;
    if (!again) return made;
  }
  auto opened = open_leaf(place);
  if (opened && !TRY(has_its_name(place))) {
    // Another took its name, or it is not what was opened: the one of that name is not ours.
    place.leaf.reset();
    return internal("cgroup.readback", "what was opened is not /" + place.path);
  }
  if (!opened) {  // remove() knows only leaves that are open
    (void)kernel_->unlinkat(parent.get(), name_of(place.path), AT_REMOVEDIR);
    return opened;
  }
  if (!place.hierarchy.v2 && place.hierarchy.has("cpuset"))
    return inherit_cpuset(place, place.path);
  return {};
}

// A new v1 cpuset has no processors and takes no process until it has.
Status Cgroup::inherit_cpuset(const Place& place, const std::string& path) {
  const auto dir = TRY(open_below(*kernel_, place.mount.get(), path, O_PATH | O_DIRECTORY));
  for (const char* file : {"cpuset.cpus", "cpuset.mems"}) {
    if (!trim(TRY(read_file(*kernel_, dir.get(), file))).empty()) continue;
    const std::string above = parent_of(path);
    if (!above.empty()) TRY(inherit_cpuset(place, above));
    const auto parent = TRY(
        open_below(*kernel_, place.mount.get(), above.empty() ? "." : above, O_PATH | O_DIRECTORY));
    const std::string value = TRY(read_file(*kernel_, parent.get(), file));
    TRY(write_file(*kernel_, dir.get(), file, trim(value)));
  }
  return {};
}

// From the mount point down to the leaf's parent; what is on already is left alone.
Status Cgroup::enable_controllers(const Place& place, const std::vector<std::string>& names) {
  std::string path;
  for (const std::string_view piece : split(place.path, '/')) {
    const auto dir = TRY(
        open_below(*kernel_, place.mount.get(), path.empty() ? "." : path, O_PATH | O_DIRECTORY));
    const std::string text = TRY(read_file(*kernel_, dir.get(), "cgroup.subtree_control"));
    const auto on = words(text);
    std::string missing;
    for (const std::string& name : names) {
      if (std::ranges::find(on, name) == on.end()) missing += "+" + name + " ";
    }
    if (!missing.empty()) {
      TRY(write_file(*kernel_, dir.get(), "cgroup.subtree_control", trim(missing)));
    }
    path += (path.empty() ? "" : "/") + std::string(piece);
  }
  return {};
}

Status Cgroup::remove_place(Place& place) {
  if (place.leaf && TRY(has_its_name(place))) TRY(remove_leaf(place));
  place.leaf.reset();
  return {};
}

// Whether the leaf is there still, and not another one that was made in its place.
Result<bool> Cgroup::has_its_name(const Place& place) const {
  const auto now = kernel_->fstatat(place.mount.get(), place.path, AT_SYMLINK_NOFOLLOW);
  if (now) return now->st_ino == place.inode && now->st_dev == place.device;
  if (is_errno(now.error(), ENOENT)) return false;
  return std::unexpected(now.error());
}

Status Cgroup::remove_leaf(const Place& place) {
  const std::string above = parent_of(place.path);
  const auto parent = TRY(
      open_below(*kernel_, place.mount.get(), above.empty() ? "." : above, O_PATH | O_DIRECTORY));
  const auto removed = kernel_->unlinkat(parent.get(), name_of(place.path), AT_REMOVEDIR);
  if (removed || !is_errno(removed.error(), EBUSY)) return removed;
  TRY(remove_children(*kernel_, place.leaf.get()));
  return kernel_->unlinkat(parent.get(), name_of(place.path), AT_REMOVEDIR);
}

// Until it is gone, or another one has its name; remove() does what is left to do.
void Cgroup::await_manager(Place& place) {
  const auto end = Clock::now() + kManagerPatience;
  while (place.leaf && has_its_name(place).value_or(false) && Clock::now() < end)
    std::this_thread::sleep_for(milliseconds(2));
}

Status Cgroup::remove() {
  const auto end = Clock::now() + kRemovePatience;
  Status first;
  for (Place& place : places_) {
    if (place.managed) await_manager(place);
    auto pause = std::chrono::microseconds(200);
    auto status = remove_place(place);
    while (!status && (is_errno(status.error(), EBUSY) || is_errno(status.error(), ENOENT)) &&
           Clock::now() < end) {
      std::this_thread::sleep_for(pause);
      pause = std::min(pause * 2, std::chrono::microseconds(20000));
      status = remove_place(place);
    }
    if (status || !first) continue;
    const std::string path = place.hierarchy.mount_point + "/" + place.path;
    if (!is_errno(status.error(), EBUSY)) {
      first = std::unexpected(std::move(status.error()).with_context("remove " + path));
      continue;
    }
    first = internal("cgroup.busy", "control group " + path + " cannot be removed",
                     "processes are still in it");
    first.error().sys_errno = EBUSY;
  }
  return first;
}

void Cgroup::remove_made_parents() {
  for (Place& place : places_) {
    std::string path = place.path;
    while (place.made_parents > 0) {
      path = parent_of(path);
      if (path.empty()) break;
      const std::string above = parent_of(path);
      const auto parent = open_below(*kernel_, place.mount.get(), above.empty() ? "." : above,
                                     O_PATH | O_DIRECTORY);
      if (!parent) continue;  // a create() that failed half way did not get this deep
      const auto removed = kernel_->unlinkat(parent->get(), name_of(path), AT_REMOVEDIR);
      if (removed) --place.made_parents;
      // Not empty: others use it by now, and it is theirs to remove.
      if (!removed && !is_errno(removed.error(), ENOENT)) break;
    }
  }
}

Status Cgroup::descend(const std::map<std::string, std::string>& below) {
  TRY(require_present());
  for (const auto& [controller, path] : below) {
    const Place* place = controller.empty() ? nullptr : place_of(controller);
    const bool known = controller.empty() || (place != nullptr && !place->hierarchy.v2);
    if (!known)
      return bad_input("cgroup.below",
                       "no v1 hierarchy of the controller \"" + printable(controller) + "\"",
                       "a path without a controller is for every hierarchy");
  }
  for (Place& place : places_) {
    const std::string path = TRY(path_below(place.hierarchy, below));
    if (path.empty()) continue;
    auto leaf = open_below(*kernel_, place.leaf.get(), path, O_RDONLY | O_DIRECTORY);
    if (!leaf)
      return bad_input("cgroup.below",
                       "no control group \"" + printable(path) + "\" in " +
                           place.hierarchy.mount_point + "/" + place.path,
                       "name one that exists, relative to the container's own");
    place.leaf = std::move(*leaf);
    place.path += "/" + path;
  }
  return {};
}

const Cgroup::Place* Cgroup::place_of(std::string_view controller) const {
  const auto found = std::ranges::find_if(places_, [&](const Place& place) {
    return controller.empty() ? place.hierarchy.v2 : place.hierarchy.has(controller);
  });
  return found == places_.end() ? nullptr : &*found;
}

Status Cgroup::require_present() const {
  for (const Place& place : places_) {
    if (place.leaf) continue;
    return internal("cgroup.gone",
                    "control group " + place.hierarchy.mount_point + "/" + place.path +
                        " does not exist any more",
                    "somebody else removed it; delete the container");
  }
  return {};
}

int Cgroup::v2_fd() const {
  const Place* place = place_of("");
  return place == nullptr ? -1 : place->leaf.get();
}

std::string Cgroup::path(std::string_view controller) const {
  const Place* place = place_of(controller);
  return place == nullptr ? std::string() : place->hierarchy.mount_point + "/" + place->path;
}

}  // namespace casemate::cgroup
