#include <fcntl.h>
#include <linux/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "shim/apply/attach.h"
#include "shim/apply/steps.h"

namespace casemate::apply {
namespace {

constexpr unsigned kClone = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH;

// The path inside the root, or nothing when the image or the kernel does not have it.
Result<UniqueFd> find(InitContext& context, const std::string& path) {
  auto found = context.root->open(path, O_PATH);
  if (found) return std::move(*found);
  const int error = found.error().sys_errno;
  if (error == ENOENT || error == ENOTDIR) return UniqueFd();
  return std::unexpected(std::move(found.error()));
}

// What covers a file is the container's /dev/null, once it is known to be that device
// (CVE-2025-31133: a link in its place).
Result<UniqueFd> null_device(InitContext& context) {
  const UniqueFd null = TRY(context.root->open("/dev/null", O_PATH | O_NOFOLLOW));
  const struct stat status = TRY(stat_of(context.kernel, null.get()));
  if (!S_ISCHR(status.st_mode) || status.st_rdev != ::makedev(1, 3))
    return denied("mask.null-device", "/dev/null of the container is not the null device",
                  "remove it from the image, or mount a tmpfs on /dev");
  return context.kernel.open_tree(null.get(), "", kClone);
}

Result<UniqueFd> new_empty_directory(sys::Kernel& kernel) {
  const UniqueFd fs = TRY(kernel.fsopen("tmpfs"));
  TRY(kernel.fsconfig_string(fs.get(), "size", "0"));
  TRY(kernel.fsconfig_string(fs.get(), "nr_inodes", "2"));
  TRY(kernel.fsconfig_flag(fs.get(), "ro"));
  TRY(kernel.fsconfig_create(fs.get()));
  return kernel.fsmount(
      fs.get(), MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
}

// One empty read-only tmpfs covers all directories; it can be cloned once it is attached.
Status mask_directory(InitContext& context, int target, std::size_t index) {
  if (context.masked_directory) {
    const UniqueFd clone =
        TRY(context.kernel.open_tree(context.masked_directory.get(), "", kClone));
    return attach(context, clone.get(), target, index);
  }
  context.masked_directory = TRY(new_empty_directory(context.kernel));
  return attach(context, context.masked_directory.get(), target, index);
}

}  // namespace

Status apply(InitContext& context, const plan::ReadonlyPath& step, std::size_t index) {
  const UniqueFd target = TRY(find(context, step.path));
  if (!target) {
    context.attached.push_back({index, 0});
    return {};
  }
  const UniqueFd clone = TRY(context.kernel.open_tree(target.get(), "", kClone | AT_RECURSIVE));
  TRY(context.kernel.mount_setattr(clone.get(), AT_RECURSIVE, {.attr_set = MOUNT_ATTR_RDONLY}));
  return attach(context, clone.get(), target.get(), index);
}

Status apply(InitContext& context, const plan::MaskPath& step, std::size_t index) {
  const UniqueFd target = TRY(find(context, step.path));
  if (!target) {
    context.attached.push_back({index, 0});
    return {};
  }
  const struct stat status = TRY(stat_of(context.kernel, target.get()));
  if (S_ISDIR(status.st_mode)) return mask_directory(context, target.get(), index);
  const UniqueFd null = TRY(null_device(context));
  return attach(context, null.get(), target.get(), index);
}

}  // namespace casemate::apply
