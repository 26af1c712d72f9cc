#include "hooks/image/beneath.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace casemate::image {
namespace {

Result<UniqueFd> open_at(int directory, const std::string& path, std::uint64_t flags) {
  const open_how how{.flags = flags | O_CLOEXEC | O_NOFOLLOW,
                     .mode = 0,
                     .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV};
  for (;;) {
    const long fd = syscall(SYS_openat2, directory, path.c_str(), &how, sizeof how);
    if (fd >= 0) return UniqueFd(static_cast<int>(fd));
    // EAGAIN: something was renamed while the kernel resolved the path.
    if (errno != EINTR && errno != EAGAIN) return sys_error("open " + path);
  }
}

}  // namespace

Result<OpenFile> open_beneath(int directory, const std::string& path) {
  OpenFile file{.fd = TRY(open_at(directory, path, O_RDONLY | O_NONBLOCK | O_NOCTTY))};
  struct stat facts{};
  if (::fstat(file.fd.get(), &facts) != 0) return sys_error("stat " + path);
  if (!S_ISREG(facts.st_mode))
    return bad_input("image.not-regular", path + " is not a regular file");
  file.size = static_cast<std::uint64_t>(facts.st_size);
  return file;
}

Result<UniqueFd> open_directory_beneath(int directory, const std::string& path) {
  return open_at(directory, path, O_RDONLY | O_DIRECTORY);
}

Result<std::string> read_beneath(int directory, const std::string& path, std::size_t limit) {
  const auto file = TRY(open_beneath(directory, path));
  if (file.size > limit)
    return bad_input("image.limit", path + " is larger than " + std::to_string(limit) + " bytes");
  std::string bytes(file.size, '\0');
  std::size_t filled = 0;
  while (filled < bytes.size()) {
    const ssize_t got = ::read(file.fd.get(), bytes.data() + filled, bytes.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return sys_error("read " + path);
    if (got == 0) break;
    filled += static_cast<std::size_t>(got);
  }
  bytes.resize(filled);
  return bytes;
}

}  // namespace casemate::image
