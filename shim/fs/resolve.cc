#include "shim/fs/resolve.h"

namespace casemate::fs {
namespace {

constexpr int kAttempts = 256;

Error refused(Error error, const std::string& path) {
  if (error.sys_errno == EXDEV || error.sys_errno == ELOOP) {
    error.cls = ErrorClass::denied;
    error.rule = "fs.link";
    error.hint = "a link or mount on the way to \"" + path +
                 "\" leads out, is a /proc magic link or a loop: replace it by a plain directory";
  } else if (error.sys_errno == EAGAIN) {
    error.cls = ErrorClass::denied;
    error.rule = "fs.race";
    error.hint = "directories on this path are being renamed all the time: stop that";
  }
  return error;
}

}  // namespace

Result<UniqueFd> resolve(sys::Kernel& kernel, int dir, const std::string& path,
                         const Resolution& how) {
  if (path.find('\0') != std::string::npos)
    return bad_input("fs.path", "path with a NUL byte: \"" + path + "\"");
  const open_how call = {.flags = how.flags, .mode = how.mode, .resolve = how.resolve};
  Result<UniqueFd> opened = kernel.openat2(dir, path, call);
  for (int attempt = 1; !opened && opened.error().sys_errno == EAGAIN && attempt < kAttempts;
       ++attempt)
    opened = kernel.openat2(dir, path, call);
  if (!opened) return std::unexpected(refused(std::move(opened.error()), path));
  return opened;
}

}  // namespace casemate::fs
