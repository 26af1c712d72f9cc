#include "shim/fs/wipe.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <vector>

#include "shim/base/clock.h"
#include "shim/fs/names.h"
#include "shim/fs/wipe_file.h"

namespace casemate::fs {
namespace {

constexpr std::size_t kBatch = 4096;  // names listed at a time

Status make_writable(sys::Kernel& kernel, int mount) {
  struct statvfs facts{};
  if (::fstatvfs(mount, &facts) != 0) return sys_error("look at the mount to wipe");
  if ((facts.f_flag & ST_RDONLY) == 0) return {};
  const UniqueFd super = TRY(kernel.fspick(mount, 0));
  TRY(kernel.fsconfig_flag(super.get(), "rw"));
  return kernel.fsconfig_reconfigure(super.get());
}

// chattr +i or +a by a job that was allowed to: tmpfs knows both since Linux 6.6.
void clear_flags(int fd) {
  int flags = 0;
  ::ioctl(fd, FS_IOC_SETFLAGS, &flags);  // ENOTTY where there are none
}

// Every folder is emptied in the root's place: its files are overwritten and removed, its folders
// moved up to the root. So a tree of any depth needs two descriptors and no recursion.
class Wipe {
 public:
  Wipe(sys::Kernel& kernel, int root) : kernel_(kernel), root_(root) {}

  void run() {
    struct stat facts{};
    if (::fstat(root_, &facts) != 0) note(sys_error("look at the mount to wipe").error());
    device_ = facts.st_dev;
    if (auto opened = open(root_, ".", O_RDONLY | O_DIRECTORY)) clear_flags(opened->get());
    empty(root_, /*is_root=*/true);
  }

  Result<Wiped> finish() {
    auto bytes = overwriter_.finish();
    if (!bytes) note(std::move(bytes.error()));
    const auto left = names_in(kernel_, root_, kBatch);
    if (!first_ && (!left || !left->empty()))
      note(internal("wipe.incomplete", "names are left after the wipe").error());
    if (first_) return std::unexpected(std::move(*first_));
    return Wiped{.files = files_, .bytes = *bytes};
  }

 private:
  void note(Error error) {
    if (!first_) first_ = std::move(error);
  }
  bool noted(Status status) {
    if (!status) note(std::move(status.error()));
    return status.has_value();
  }

  // One batch of names; false when none of them went away.
  bool batch(int directory, bool is_root) {
    const auto names = names_in(kernel_, directory, kBatch);
    if (!names) return noted(std::unexpected(names.error()));
    const std::uint64_t before = removed_;
    for (const auto& name : *names) remove(directory, name, is_root);
    return removed_ != before;
  }
  void empty(int directory, bool is_root) {
    while (batch(directory, is_root)) continue;
  }

  void remove(int directory, const std::string& name, bool in_root) {
    const auto facts = kernel_.fstatat(directory, name, AT_SYMLINK_NOFOLLOW);
    if (!facts) return note(facts.error());
    if (S_ISDIR(facts->st_mode)) return in_root ? folder(name) : lift(directory, name);
    if (S_ISREG(facts->st_mode)) return file(directory, name);
    if (facts->st_dev != device_) note(covered(name));
    if (noted(kernel_.unlinkat(directory, name, 0))) ++removed_;
  }

  // The job's mount namespace may still live, held by somebody, and what is mounted below our mount
  // there shows through it: it is not ours to overwrite. What lies beneath it cannot be reached.
  static Error covered(const std::string& name) {
    return internal("wipe.incomplete", "something is mounted over \"" + printable(name) + "\"",
                    "end what still uses the job's mount namespace")
        .error();
  }

  Result<UniqueFd> open(int directory, const std::string& name, int flags) {
    open_how how{};
    how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC | O_NOFOLLOW);
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
    return kernel_.openat2(directory, name, how);
  }

  void file(int directory, const std::string& name) {
    auto opened = open(directory, name, O_RDWR | O_NONBLOCK);
    if (!opened && opened.error().sys_errno == EPERM) {
      // The flags forbid writing, and removing, but not reading.
      if (auto plain = open(directory, name, O_RDONLY | O_NONBLOCK)) clear_flags(plain->get());
      opened = open(directory, name, O_RDWR | O_NONBLOCK);
    }
    if (!opened) note(opened.error().sys_errno == EXDEV ? covered(name) : opened.error());
    if (opened) overwrite_last_name(std::move(*opened));
    if (noted(kernel_.unlinkat(directory, name, 0))) ++removed_;
  }

  // A file of several names is overwritten with its last one, and before that one goes: if we die
  // half-way, whoever comes after us must find it.
  void overwrite_last_name(UniqueFd file) {
    struct stat facts{};
    if (::fstat(file.get(), &facts) == 0 && facts.st_nlink > 1) return;
    ++files_;
    noted(overwriter_.overwrite(std::move(file)));
    overwriter_.drain();
  }

  void folder(const std::string& name) {
    auto opened = open(root_, name, O_RDONLY | O_DIRECTORY);
    if (!opened && opened.error().sys_errno == EXDEV) return covered_folder(name);
    if (!opened) return note(std::move(opened.error()));
    clear_flags(opened->get());
    empty(opened->get(), /*is_root=*/false);
    if (noted(kernel_.unlinkat(root_, name, AT_REMOVEDIR))) ++removed_;
  }

  // One that can be removed was empty beneath: nothing was left in it.
  void covered_folder(const std::string& name) {
    if (kernel_.unlinkat(root_, name, AT_REMOVEDIR))
      ++removed_;
    else
      note(covered(name));
  }

  void lift(int directory, const std::string& name) {
    if (auto opened = open(directory, name, O_RDONLY | O_DIRECTORY)) clear_flags(opened->get());
    // A name of the job's may be in the way: rename(2) replaces an empty folder and fails
    // otherwise.
    for (int attempt = 0; attempt < 1000; ++attempt) {
      const std::string place = ".wipe-" + std::to_string(lifted_++);
      const auto moved = kernel_.renameat(directory, name, root_, place);
      if (moved) {
        ++removed_;
        return;
      }
      const int error = moved.error().sys_errno;
      if (error != ENOTEMPTY && error != EEXIST && error != ENOTDIR) return note(moved.error());
    }
    note(internal("wipe.incomplete", "no free name to move a folder to").error());
  }

  sys::Kernel& kernel_;
  int root_;
  dev_t device_ = 0;
  Overwriter overwriter_;
  std::uint64_t files_ = 0;
  std::uint64_t removed_ = 0;  // names that went away: progress
  std::uint64_t lifted_ = 0;
  std::optional<Error> first_;
};

}  // namespace

Result<Wiped> wipe_tree(sys::Kernel& kernel, int mount_fd) {
  const std::int64_t begun = monotonic_ns();
  TRY(make_writable(kernel, mount_fd));
  Wipe wipe(kernel, mount_fd);
  wipe.run();
  Wiped wiped = TRY(wipe.finish());
  wiped.seconds = static_cast<double>(monotonic_ns() - begun) / 1e9;
  return wiped;
}

}  // namespace casemate::fs
