#include "hooks/dataset/data_mount.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/syscall.h>

#include "hooks/dataset/format.h"

namespace casemate::dataset {
namespace {

constexpr unsigned kAttributes =
    MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOSYMFOLLOW;
constexpr std::uint64_t kPrivate = 1
                                   << 18;  // MS_PRIVATE; <sys/mount.h> clashes with <linux/mount.h>
constexpr unsigned kRecursive = AT_RECURSIVE;

Result<UniqueFd> open_root(sys::Kernel& kernel) {
  open_how how{};
  how.flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  return kernel.openat2(AT_FDCWD, "/", how);
}

// Options that older kernels refuse with EINVAL and that we can do without, visibly.
Result<bool> optional(Status set) {
  if (set) return true;
  if (set.error().sys_errno == EINVAL) return false;
  return std::unexpected(std::move(set.error()));
}

}  // namespace

Status enter_private_mounts(sys::Kernel& kernel) {
  TRY(kernel.unshare(CLONE_NEWNS));
  const UniqueFd root = TRY(open_root(kernel));
  mount_attr attributes{};
  attributes.propagation = kPrivate;
  return kernel.mount_setattr(root.get(), kRecursive, attributes);
}

Result<DataMount> make_data_mount(sys::Kernel& kernel, std::uint64_t bytes, uid_t uid, gid_t gid,
                                  const std::string& label) {
  DataMount out;
  const UniqueFd fs = TRY(kernel.fsopen("tmpfs"));
  // A size of 0 would mean no limit at all.
  const std::uint64_t size = align_up(bytes == 0 ? 1 : bytes, kAlign);
  TRY(kernel.fsconfig_string(fs.get(), "size", std::to_string(size)));
  TRY(kernel.fsconfig_string(fs.get(), "nr_inodes", std::to_string(kMaxEntries + 1)));
  TRY(kernel.fsconfig_string(fs.get(), "mode", "0700"));
  TRY(kernel.fsconfig_string(fs.get(), "uid", std::to_string(uid)));
  TRY(kernel.fsconfig_string(fs.get(), "gid", std::to_string(gid)));
  if (!label.empty()) TRY(kernel.fsconfig_string(fs.get(), "context", label));
  out.huge = TRY(optional(kernel.fsconfig_string(fs.get(), "huge", "within_size")));
  out.noswap = TRY(optional(kernel.fsconfig_flag(fs.get(), "noswap")));
  TRY(kernel.fsconfig_create(fs.get()));
  const UniqueFd mount = TRY(kernel.fsmount(fs.get(), kAttributes));
  const UniqueFd root = TRY(open_root(kernel));
  TRY(kernel.move_mount(mount.get(), root.get()));
  open_how how{};
  how.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  out.root = TRY(kernel.openat2(mount.get(), ".", how));
  return out;
}

Result<UniqueFd> clone_for_holder(sys::Kernel& kernel, const DataMount& mount) {
  return kernel.open_tree(mount.root.get(), "", OPEN_TREE_CLONE);
}

Result<UniqueFd> finish_data_mount(sys::Kernel& kernel, const DataMount& mount, mode_t mode) {
  TRY(kernel.fchmod(mount.root.get(), mode));
  const UniqueFd super = TRY(kernel.fspick(mount.root.get(), 0));
  TRY(kernel.fsconfig_flag(super.get(), "ro"));
  TRY(kernel.fsconfig_reconfigure(super.get()));
  UniqueFd job = TRY(kernel.open_tree(mount.root.get(), "", OPEN_TREE_CLONE));
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_RDONLY;
  TRY(kernel.mount_setattr(job.get(), 0, attributes));
  return job;
}

}  // namespace casemate::dataset
