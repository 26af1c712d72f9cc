// Files by descriptor.
#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "shim/sys/real_kernel.h"
#include "shim/sys/syscall.h"

namespace casemate::sys {

Result<UniqueFd> RealKernel::openat2(int dir, const std::string& path, const open_how& how) {
  open_how with_cloexec = how;
  with_cloexec.flags |= O_CLOEXEC;
  const long fd = uninterrupted([&] {
    return ::syscall(SYS_openat2, dir, path.c_str(), &with_cloexec, sizeof with_cloexec);
  });
  return checked_fd(fd, "openat2", path);
}

Result<std::string> RealKernel::read(int fd, std::size_t at_most) {
  ssize_t got = 0;
  std::string bytes;
  // Not zeroed first: most reads fill a small part of what they ask for.
  bytes.resize_and_overwrite(at_most, [&](char* buffer, std::size_t size) {
    got = uninterrupted([&] { return ::read(fd, buffer, size); });
    return static_cast<std::size_t>(std::max<ssize_t>(got, 0));
  });
  if (got == -1) return sys_error("read");
  return bytes;
}

Result<std::size_t> RealKernel::write(int fd, std::string_view bytes) {
  const ssize_t put = uninterrupted([&] { return ::write(fd, bytes.data(), bytes.size()); });
  if (put == -1) return sys_error("write");
  return static_cast<std::size_t>(put);
}

Status RealKernel::mkdirat(int dir, const std::string& name, mode_t mode) {
  return checked(uninterrupted([&] { return ::mkdirat(dir, name.c_str(), mode); }), "mkdirat",
                 name);
}

Status RealKernel::mknodat(int dir, const std::string& name, mode_t mode, dev_t device) {
  return checked(uninterrupted([&] { return ::mknodat(dir, name.c_str(), mode, device); }),
                 "mknodat", name);
}

Status RealKernel::symlinkat(const std::string& target, int dir, const std::string& name) {
  return checked(uninterrupted([&] { return ::symlinkat(target.c_str(), dir, name.c_str()); }),
                 "symlinkat", name);
}

Status RealKernel::unlinkat(int dir, const std::string& name, int flags) {
  return checked(uninterrupted([&] { return ::unlinkat(dir, name.c_str(), flags); }), "unlinkat",
                 name);
}

Status RealKernel::renameat(int from_dir, const std::string& from, int to_dir,
                            const std::string& to) {
  const auto rename = [&] { return ::renameat(from_dir, from.c_str(), to_dir, to.c_str()); };
  return checked(uninterrupted(rename), "renameat", to);
}

Status RealKernel::fchownat(int dir, const std::string& name, uid_t uid, gid_t gid, int flags) {
  return checked(uninterrupted([&] { return ::fchownat(dir, name.c_str(), uid, gid, flags); }),
                 "fchownat", name);
}

Status RealKernel::fchmod(int fd, mode_t mode) {
  return checked(uninterrupted([&] { return ::fchmod(fd, mode); }), "fchmod");
}

Result<std::uint64_t> RealKernel::mount_id(int fd) {
  struct statx facts{};
  const int failed =
      uninterrupted([&] { return ::statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &facts); });
  if (failed == -1) return sys_error("statx mount id");
  return facts.stx_mnt_id;
}

Result<int> RealKernel::ioctl(int fd, unsigned long request, std::uintptr_t argument) {
  const int result = uninterrupted([&] { return ::ioctl(fd, request, argument); });
  if (result == -1) return sys_error(tried("ioctl", std::to_string(request)));
  return result;
}

Result<struct stat> RealKernel::fstatat(int dir, const std::string& name, int flags) {
  struct stat facts = {};
  const int failed = uninterrupted([&] { return ::fstatat(dir, name.c_str(), &facts, flags); });
  if (failed == -1) return sys_error(tried("fstatat", name));
  return facts;
}

Result<std::string> RealKernel::readlinkat(int dir, const std::string& name) {
  std::string target(PATH_MAX, '\0');
  const ssize_t got =
      uninterrupted([&] { return ::readlinkat(dir, name.c_str(), target.data(), target.size()); });
  if (got == -1) return sys_error(tried("readlinkat", name));
  if (static_cast<std::size_t>(got) == target.size())  // perhaps cut off
    return sys_error(tried("readlinkat", name), ENAMETOOLONG);
  target.resize(static_cast<std::size_t>(got));
  return target;
}

Status RealKernel::fchdir(int fd) {
  return checked(uninterrupted([&] { return ::fchdir(fd); }), "fchdir");
}

Result<mode_t> RealKernel::umask(mode_t mask) {
  return ::umask(mask);
}

Status RealKernel::dup2(int from, int to) {
  // dup2(2) of a descriptor to itself does nothing and would leave it close-on-exec.
  if (from == to) return checked(::fcntl(from, F_SETFD, 0), "fcntl");
  return checked(uninterrupted([&] { return ::dup2(from, to); }), "dup2");
}

Status RealKernel::close_range(unsigned first, unsigned last, unsigned flags) {
  return checked(::syscall(SYS_close_range, first, last, flags), "close_range");
}

Status RealKernel::flock(int fd, int operation) {
  return checked(uninterrupted([&] { return ::flock(fd, operation); }), "flock");
}

Status RealKernel::fsync(int fd) {
  return checked(uninterrupted([&] { return ::fsync(fd); }), "fsync");
}

}  // namespace casemate::sys
