#include "shim/fs/proc_fs.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "shim/fs/resolve.h"

namespace casemate::fs {
namespace {

constexpr ino_t kRootInode = 1;  // PROC_ROOT_INO of the kernel
constexpr std::size_t kReadLimit = 1 << 20;
constexpr std::uint64_t kInProc = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS;

std::unexpected<Error> fake(const std::string& what) {
  return denied("proc.fake", what + " is not the kernel's procfs",
                "unmount what covers /proc; nothing may be mounted over it or into it");
}

// statfs, because neither names nor inode numbers can be trusted before it says procfs.
Status verify_procfs(int fd, const std::string& what) {
  struct statfs facts = {};
  if (::fstatfs(fd, &facts) != 0) return sys_error("fstatfs \"" + what + "\"");
  if (facts.f_type != PROC_SUPER_MAGIC) return fake(what);
  return {};
}

Result<UniqueFd> private_mount(sys::Kernel& kernel) {
  const UniqueFd context = TRY(kernel.fsopen("proc"));
  TRY(kernel.fsconfig_create(context.get()));
  return kernel.fsmount(context.get(), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
}

}  // namespace

Result<ProcFs> ProcFs::open(sys::Kernel& kernel) {
  auto root = private_mount(kernel);
  // In a user namespace a new procfs needs a fully visible one in the mount namespace.
  if (!root && root.error().sys_errno == EPERM)
    root = kernel.open_tree(AT_FDCWD, "/proc", AT_SYMLINK_NOFOLLOW);
  if (!root) return std::unexpected(std::move(root.error()));
  TRY(verify_procfs(root->get(), "/proc"));
  const struct stat facts = TRY(kernel.fstatat(root->get(), "", AT_EMPTY_PATH));
  if (facts.st_ino != kRootInode || !S_ISDIR(facts.st_mode)) return fake("/proc");
  return ProcFs(kernel, std::move(*root));
}

Result<UniqueFd> ProcFs::open_file(std::string_view path, int flags) const {
  const std::string name(path);
  const std::uint64_t all = static_cast<unsigned>(flags) | O_CLOEXEC;
  UniqueFd file = TRY(resolve(*kernel_, root_.get(), name, {.flags = all, .resolve = kInProc}));
  TRY(verify_procfs(file.get(), "/proc/" + name));
  return file;
}

Result<std::string> ProcFs::read(std::string_view path) const {
  constexpr std::size_t kPart = 16384;
  const UniqueFd file = TRY(open_file(path, O_RDONLY));
  std::string text;
  while (text.size() <= kReadLimit) {
    const std::string part = TRY(kernel_->read(file.get(), kPart));
    if (part.empty()) return text;
    text += part;
  }
  return internal("proc.size", "/proc/" + std::string(path) + " is longer than 1 MiB");
}

Status ProcFs::write(std::string_view path, std::string_view value) const {
  const UniqueFd file = TRY(open_file(path, O_WRONLY));
  const auto written = kernel_->write(file.get(), value);
  if (!written) {
    Error error = written.error();
    return std::unexpected(std::move(error).with_context("/proc/" + std::string(path)));
  }
  if (*written != value.size())
    return internal("proc.short-write", "/proc/" + std::string(path) + " took only a part");
  return {};
}

}  // namespace casemate::fs
