// Mounts by descriptor. The calls go through syscall(2): glibc 2.36 declares them in <sys/mount.h>,
// which cannot be included beside <linux/mount.h>.
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shim/sys/real_kernel.h"
#include "shim/sys/syscall.h"

namespace casemate::sys {
namespace {

// A file system context keeps the reason of its last failure as text; it is worth more than errno.
std::unexpected<Error> context_error(int fs, std::string what) {
  const int saved = errno;
  char reason[512];
  const ssize_t length = ::read(fs, reason, sizeof reason);
  if (length > 0) what += ": " + std::string(reason, static_cast<std::size_t>(length));
  while (what.ends_with('\n')) what.pop_back();
  return sys_error(std::move(what), saved);
}

Status fsconfig(int fs, unsigned command, const char* key, const char* value) {
  const long failed =
      uninterrupted([&] { return ::syscall(SYS_fsconfig, fs, command, key, value, 0); });
  if (failed != -1) return {};
  return context_error(fs, key == nullptr ? "fsconfig" : tried("fsconfig", key));
}

}  // namespace

Result<UniqueFd> RealKernel::fsopen(const std::string& type) {
  return checked_fd(
      uninterrupted([&] { return ::syscall(SYS_fsopen, type.c_str(), FSOPEN_CLOEXEC); }), "fsopen",
      type);
}

Status RealKernel::fsconfig_flag(int fs, const std::string& key) {
  return fsconfig(fs, FSCONFIG_SET_FLAG, key.c_str(), /*value=*/nullptr);
}

Status RealKernel::fsconfig_string(int fs, const std::string& key, const std::string& value) {
  return fsconfig(fs, FSCONFIG_SET_STRING, key.c_str(), value.c_str());
}

Status RealKernel::fsconfig_create(int fs) {
  return fsconfig(fs, FSCONFIG_CMD_CREATE, /*key=*/nullptr, /*value=*/nullptr);
}

Status RealKernel::fsconfig_reconfigure(int fs) {
  return fsconfig(fs, FSCONFIG_CMD_RECONFIGURE, /*key=*/nullptr, /*value=*/nullptr);
}

Result<UniqueFd> RealKernel::fsmount(int fs, unsigned attributes) {
  const long fd =
      uninterrupted([&] { return ::syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, attributes); });
  if (fd == -1) return context_error(fs, "fsmount");
  return UniqueFd(static_cast<int>(fd));
}

Result<UniqueFd> RealKernel::fspick(int mount, unsigned flags) {
  const unsigned by_descriptor = flags | FSPICK_CLOEXEC | FSPICK_EMPTY_PATH;
  return checked_fd(uninterrupted([&] { return ::syscall(SYS_fspick, mount, "", by_descriptor); }),
                    "fspick");
}

Result<UniqueFd> RealKernel::open_tree(int dir, const std::string& path, unsigned flags) {
  unsigned all = flags | OPEN_TREE_CLOEXEC;
  if (path.empty()) all |= AT_EMPTY_PATH;
  return checked_fd(uninterrupted([&] { return ::syscall(SYS_open_tree, dir, path.c_str(), all); }),
                    "open_tree", path);
}

Status RealKernel::move_mount(int mount, int target) {
  constexpr unsigned kByDescriptor = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;
  return checked(uninterrupted([&] {
                   return ::syscall(SYS_move_mount, mount, "", target, "", kByDescriptor);
                 }),
                 "move_mount");
}

Status RealKernel::mount_setattr(int mount, unsigned flags, const mount_attr& attributes) {
  const auto set = [&] {
    return ::syscall(SYS_mount_setattr, mount, "", flags | AT_EMPTY_PATH, &attributes,
                     sizeof attributes);
  };
  return checked(uninterrupted(set), "mount_setattr");
}

Status RealKernel::pivot_root_here() {
  return checked(uninterrupted([] { return ::syscall(SYS_pivot_root, ".", "."); }), "pivot_root");
}

Status RealKernel::unmount_here(int flags) {
  return checked(uninterrupted([&] { return ::syscall(SYS_umount2, ".", flags); }), "umount2");
}

}  // namespace casemate::sys
