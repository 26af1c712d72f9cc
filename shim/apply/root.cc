#include <fcntl.h>
#include <linux/mount.h>
#include <sys/mount.h>

#include "shim/apply/steps.h"

namespace casemate::apply {
namespace {

// In init's own mount namespace, and only there, the new mounts hang over "/": our root stays the
// old mount below them, so they are reachable by descriptor alone until pivot_root(2).
Status attach_over_root(sys::Kernel& kernel, int mount) {
  const open_how how{.flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .mode = 0, .resolve = 0};
  const UniqueFd slash = TRY(kernel.openat2(AT_FDCWD, "/", how));
  return kernel.move_mount(mount, slash.get());
}

std::string by_fd(int fd, const char* below) {
  return "/proc/self/fd/" + std::to_string(fd) + below;
}

// unmount(2) of "." takes the topmost mount over the current directory: here the directory itself.
Status detach(sys::Kernel& kernel, int mount) {
  TRY(kernel.fchdir(mount));
  return kernel.unmount_here(MNT_DETACH);
}

// Overlayfs wants its layers attached in the caller's namespace on kernels before 6.15; it keeps
// clones of its own, so they can go again at once.
Result<UniqueFd> mount_overlay(sys::Kernel& kernel, int lower, int upper,
                               const std::string& label) {
  TRY(attach_over_root(kernel, lower));
  TRY(attach_over_root(kernel, upper));
  const UniqueFd overlay = TRY(kernel.fsopen("overlay"));
  TRY(kernel.fsconfig_string(overlay.get(), "source", "casemate"));
  TRY(kernel.fsconfig_string(overlay.get(), "lowerdir", by_fd(lower, "")));
  TRY(kernel.fsconfig_string(overlay.get(), "upperdir", by_fd(upper, "/upper")));
  TRY(kernel.fsconfig_string(overlay.get(), "workdir", by_fd(upper, "/work")));
  if (!label.empty()) TRY(kernel.fsconfig_string(overlay.get(), "context", label));
  TRY(kernel.fsconfig_create(overlay.get()));
  UniqueFd mount = TRY(kernel.fsmount(overlay.get(), 0));
  TRY(detach(kernel, upper));
  TRY(detach(kernel, lower));
  return mount;
}

// Only now, for pivot_root(2) refuses a shared root. It is a peer group of its own: it shares with
// namespaces that are made in the container, never with the host. "private" and "slave" are what
// the clone of the root is already.
Status share_root(InitContext& context) {
  const auto* root = context.plan.find<plan::AttachRoot>();
  const bool waits =
      root != nullptr && (root->propagation == MS_SHARED || root->propagation == MS_UNBINDABLE);
  if (!waits) return {};
  return context.kernel.mount_setattr(context.root->fd(),
                                      root->propagation_recursive ? AT_RECURSIVE : 0,
                                      {.propagation = root->propagation});
}

}  // namespace

Status apply(InitContext& context, const plan::AttachRoot& step) {
  sys::Kernel& kernel = context.kernel;
  const open_how how{.flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .mode = 0, .resolve = 0};
  const UniqueFd host_root = TRY(kernel.openat2(AT_FDCWD, "/", how));
  // What happens in here must never reach the host's mounts: at most they may reach us.
  const std::uint64_t inward = step.propagation == MS_PRIVATE ? MS_PRIVATE : MS_SLAVE;
  TRY(kernel.mount_setattr(host_root.get(), AT_RECURSIVE, {.propagation = inward}));
  UniqueFd root = std::move(context.prepared.root);
  if (step.upper_bytes > 0)
    root = TRY(mount_overlay(kernel, root.get(), context.prepared.upper.get(), step.label));
  TRY(attach_over_root(kernel, root.get()));
  context.root.emplace(kernel, std::move(root));
  return {};
}

Status apply(InitContext& context, const plan::PivotRoot&) {
  sys::Kernel& kernel = context.kernel;
  TRY(kernel.fchdir(context.root->fd()));
  TRY(kernel.pivot_root_here());
  // The old root now covers the new one at ".": detach it with all that was stacked on it.
  TRY(kernel.unmount_here(MNT_DETACH));
  const open_how how{.flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .mode = 0, .resolve = 0};
  UniqueFd slash = TRY(kernel.openat2(AT_FDCWD, "/", how));
  TRY(kernel.fchdir(slash.get()));
  context.root.emplace(kernel, std::move(slash));
  return share_root(context);
}

Status apply(InitContext& context, const plan::RootReadonly&) {
  return context.kernel.mount_setattr(context.root->fd(), 0, {.attr_set = MOUNT_ATTR_RDONLY});
}

}  // namespace casemate::apply
