// Files by descriptor.
#include <fcntl.h>

#include "shim/sys/intercept.h"
#include "shim/sys/intercepting_kernel.h"
#include "shim/sys/render.h"

namespace casemate::sys {

namespace {

Result<mode_t> usual_umask() {
  return 022;
}

}  // namespace

Result<UniqueFd> InterceptingKernel::openat2(int dir, const std::string& path,
                                             const open_how& how) {
  return intercept<UniqueFd>(*this, "openat2", render_open(path, how),
                             [&] { return inner_.openat2(dir, path, how); });
}

Result<std::string> InterceptingKernel::read(int fd, std::size_t at_most) {
  return intercept<std::string>(*this, "read", "", [&] { return inner_.read(fd, at_most); });
}

Result<std::size_t> InterceptingKernel::write(int fd, std::string_view bytes) {
  const Verdict verdict = decide("write", render_bytes(bytes));
  if (verdict.kind == Verdict::fail) return sys_error("write (injected)", verdict.error);
  if (verdict.kind == Verdict::pretend) return bytes.size();
  return inner_.write(fd, bytes);
}

Status InterceptingKernel::mkdirat(int dir, const std::string& name, mode_t mode) {
  return intercept<void>(*this, "mkdirat", printable(name) + " " + render_mode(mode),
                         [&] { return inner_.mkdirat(dir, name, mode); });
}

Status InterceptingKernel::mknodat(int dir, const std::string& name, mode_t mode, dev_t device) {
  return intercept<void>(*this, "mknodat",
                         printable(name) + " " + render_mode(mode) + " " + render_device(device),
                         [&] { return inner_.mknodat(dir, name, mode, device); });
}

Status InterceptingKernel::symlinkat(const std::string& target, int dir, const std::string& name) {
  return intercept<void>(*this, "symlinkat", printable(target) + " " + printable(name),
                         [&] { return inner_.symlinkat(target, dir, name); });
}

Status InterceptingKernel::unlinkat(int dir, const std::string& name, int flags) {
  return intercept<void>(*this, "unlinkat",
                         printable(name) + (flags == AT_REMOVEDIR ? " REMOVEDIR" : ""),
                         [&] { return inner_.unlinkat(dir, name, flags); });
}

Status InterceptingKernel::renameat(int from_dir, const std::string& from, int to_dir,
                                    const std::string& to) {
  return intercept<void>(*this, "renameat", printable(from) + " " + printable(to),
                         [&] { return inner_.renameat(from_dir, from, to_dir, to); });
}

Status InterceptingKernel::fchownat(int dir, const std::string& name, uid_t uid, gid_t gid,
                                    int flags) {
  return intercept<void>(*this, "fchownat",
                         printable(name) + " " + std::to_string(uid) + ":" + std::to_string(gid),
                         [&] { return inner_.fchownat(dir, name, uid, gid, flags); });
}

Status InterceptingKernel::fchmod(int fd, mode_t mode) {
  return intercept<void>(*this, "fchmod", render_mode(mode),
                         [&] { return inner_.fchmod(fd, mode); });
}

Result<std::uint64_t> InterceptingKernel::mount_id(int fd) {
  return intercept<std::uint64_t>(*this, "statx", "mount id", [&] { return inner_.mount_id(fd); });
}

Result<int> InterceptingKernel::ioctl(int fd, unsigned long request, std::uintptr_t argument) {
  return intercept<int>(*this, "ioctl", std::to_string(request),
                        [&] { return inner_.ioctl(fd, request, argument); });
}

Result<struct stat> InterceptingKernel::fstatat(int dir, const std::string& name, int flags) {
  return intercept<struct stat>(*this, "fstatat", printable(name),
                                [&] { return inner_.fstatat(dir, name, flags); });
}

Result<std::string> InterceptingKernel::readlinkat(int dir, const std::string& name) {
  return intercept<std::string>(*this, "readlinkat", printable(name),
                                [&] { return inner_.readlinkat(dir, name); });
}

Status InterceptingKernel::fchdir(int fd) {
  return intercept<void>(*this, "fchdir", "", [&] { return inner_.fchdir(fd); });
}

Result<mode_t> InterceptingKernel::umask(mode_t mask) {
  return intercept<mode_t>(
      *this, "umask", render_mode(mask), [&] { return inner_.umask(mask); }, usual_umask);
}

Status InterceptingKernel::dup2(int from, int to) {
  return intercept<void>(*this, "dup2", std::to_string(to), [&] { return inner_.dup2(from, to); });
}

Status InterceptingKernel::close_range(unsigned first, unsigned last, unsigned flags) {
  return intercept<void>(*this, "close_range", std::to_string(first),
                         [&] { return inner_.close_range(first, last, flags); });
}

Status InterceptingKernel::flock(int fd, int operation) {
  return intercept<void>(*this, "flock", std::to_string(operation),
                         [&] { return inner_.flock(fd, operation); });
}

Status InterceptingKernel::fsync(int fd) {
  return intercept<void>(*this, "fsync", "", [&] { return inner_.fsync(fd); });
}

}  // namespace casemate::sys
