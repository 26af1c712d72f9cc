#include "shim/fs/host_file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "shim/sys/random.h"

namespace casemate::fs {
namespace {

struct OpenFile {
  UniqueFd fd;
  struct stat facts = {};
};

// O_NONBLOCK: a FIFO must not hold us up before it is refused.
Result<OpenFile> open_regular(sys::Kernel& kernel, int dir, const std::string& name,
                              std::uint64_t flags = 0) {
  constexpr std::uint64_t kFlags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
  OpenFile file;
  file.fd = TRY(kernel.openat2(dir, name, {.flags = kFlags | flags}));
  file.facts = TRY(kernel.fstatat(file.fd.get(), "", AT_EMPTY_PATH));
  if (!S_ISREG(file.facts.st_mode))
    return bad_input("host.file-kind", "\"" + name + "\" is not a regular file");
  return file;
}

constexpr std::size_t kPart = 65536;

std::unexpected<Error> too_large(const std::string& name, std::size_t limit) {
  return bad_input("host.file-size",
                   "\"" + name + "\" is larger than " + std::to_string(limit) + " bytes");
}

Result<std::string> read_open(sys::Kernel& kernel, const OpenFile& file, const std::string& name,
                              std::size_t limit) {
  const auto size = static_cast<std::size_t>(file.facts.st_size);
  // procfs and cgroupfs give no size; there the whole text is asked for at once.
  if (size == 0) return read_to_end(kernel, file.fd.get(), name, limit);
  std::string text;
  while (text.size() <= limit && size <= limit) {
    const std::size_t rest = text.size() < size ? size - text.size() : 0;
    const std::string part = TRY(kernel.read(file.fd.get(), std::min(rest + 1, kPart)));
    if (part.empty()) return text;
    text += part;
  }
  return too_large(name, limit);
}

// "/a" of "/a/b", "/" of "/a"; empty when there is none.
std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos || path == "/") return {};
  return path.substr(0, std::max<std::size_t>(slash, 1));
}

Result<std::string> temporary_name(const std::string& name) {
  return "." + name + "." + TRY(sys::random_hex(8));
}

Status fill(sys::Kernel& kernel, int fd, std::string_view bytes, mode_t mode, bool durable) {
  TRY(write_all(kernel, fd, bytes));
  if (TRY(kernel.fstatat(fd, "", AT_EMPTY_PATH)).st_size != static_cast<off_t>(bytes.size()))
    return internal("readback.write", "what was written is not in the file");
  TRY(kernel.fchmod(fd, mode));  // whatever the umask is
  if (durable) TRY(kernel.fsync(fd));
  return {};
}

// Read back by the old name: others may be replacing the new one at the same time.
Status rename_over(sys::Kernel& kernel, int dir, const std::string& from, const std::string& to) {
  TRY(kernel.renameat(dir, from, dir, to));
  const auto left = kernel.fstatat(dir, from, AT_SYMLINK_NOFOLLOW);
  if (!left && left.error().sys_errno == ENOENT) return {};
  if (!left) return std::unexpected(left.error());
  return internal("readback.rename", "the new \"" + to + "\" did not take the old one's place");
}

Status replace(sys::Kernel& kernel, int dir, const std::string& name, std::string_view bytes,
               mode_t mode, bool durable) {
  if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos)
    return bad_input("host.file-name", "\"" + name + "\" is not a plain file name");
  const std::string temporary = TRY(temporary_name(name));
  constexpr std::uint64_t kNew = O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC;
  const UniqueFd file = TRY(kernel.openat2(dir, temporary, {.flags = kNew, .mode = 0600}));
  Status done = fill(kernel, file.get(), bytes, mode, durable);
  if (done) done = rename_over(kernel, dir, temporary, name);
  if (!done) {
    // The first error is the one to report.
    [[maybe_unused]] const Status removed = kernel.unlinkat(dir, temporary, 0);
    return std::unexpected(std::move(done.error()).with_context("write \"" + name + "\""));
  }
  return {};
}

struct Split {
  std::string directory;
  std::string name;
};

Split split(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {".", path};
  return {path.substr(0, std::max<std::size_t>(slash, 1)), path.substr(slash + 1)};
}

// Not O_PATH: fsync of the directory needs a real descriptor.
Result<UniqueFd> open_for_sync(sys::Kernel& kernel, const std::string& path) {
  return kernel.openat2(AT_FDCWD, path, {.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC});
}

}  // namespace

Result<std::string> read_file(sys::Kernel& kernel, const std::string& path, std::size_t limit) {
  return read_file_at(kernel, AT_FDCWD, path, limit);
}

Result<std::string> read_file_at(sys::Kernel& kernel, int dir, const std::string& name,
                                 std::size_t limit) {
  const OpenFile file = TRY(open_regular(kernel, dir, name));
  return read_open(kernel, file, name, limit);
}

bool is_absent(sys::Kernel& kernel, const std::string& path) {
  for (std::string at = path; !at.empty(); at = folder_of(at)) {
    const auto itself = kernel.fstatat(AT_FDCWD, at, AT_SYMLINK_NOFOLLOW);
    if (!itself && itself.error().sys_errno == ENOENT) continue;
    // The first that exists: a folder without the rest, or a link to nowhere.
    return itself && at != path && kernel.fstatat(AT_FDCWD, at, 0).has_value();
  }
  return true;
}

Result<std::string> read_to_end(sys::Kernel& kernel, int fd, const std::string& name,
                                std::size_t limit) {
  std::string text;
  while (text.size() <= limit) {
    const std::string part = TRY(kernel.read(fd, kPart));
    if (part.empty()) return text;
    text += part;
  }
  return too_large(name, limit);
}

namespace {

Result<std::string> read_if_trusted(sys::Kernel& kernel, const OpenFile& file,
                                    const std::string& name, std::size_t limit) {
  constexpr mode_t kOthersWrite = S_IWGRP | S_IWOTH;
  if (file.facts.st_uid != 0 || (file.facts.st_mode & kOthersWrite) != 0)
    return denied("host.file-owner", "\"" + name + "\" could be changed by others than root",
                  "chown root it and remove the write permission of group and others");
  return read_open(kernel, file, name, limit);
}

}  // namespace

Result<std::string> read_trusted_file(sys::Kernel& kernel, const std::string& path,
                                      std::size_t limit) {
  return read_if_trusted(kernel, TRY(open_regular(kernel, AT_FDCWD, path)), path, limit);
}

Result<std::string> read_trusted_file_at(sys::Kernel& kernel, int dir, const std::string& name,
                                         std::size_t limit) {
  return read_if_trusted(kernel, TRY(open_regular(kernel, dir, name, O_NOFOLLOW)), name, limit);
}

Status write_atomically_at(sys::Kernel& kernel, int dir, const std::string& name,
                           std::string_view bytes, mode_t mode) {
  return replace(kernel, dir, name, bytes, mode, /*durable=*/false);
}

Status write_atomically(sys::Kernel& kernel, const std::string& path, std::string_view bytes,
                        mode_t mode) {
  const auto [directory, name] = split(path);
  const UniqueFd dir = TRY(open_directory(kernel, directory));
  return write_atomically_at(kernel, dir.get(), name, bytes, mode);
}

Status write_durably(sys::Kernel& kernel, const std::string& path, std::string_view bytes,
                     mode_t mode) {
  const auto [directory, name] = split(path);
  const UniqueFd dir = TRY(open_for_sync(kernel, directory));
  TRY(replace(kernel, dir.get(), name, bytes, mode, /*durable=*/true));
  return kernel.fsync(dir.get());
}

Status write_kernel_file(sys::Kernel& kernel, const std::string& path, std::string_view text) {
  const open_how how{.flags = O_WRONLY | O_CLOEXEC, .mode = 0, .resolve = 0};
  const UniqueFd file = TRY(kernel.openat2(AT_FDCWD, path, how));
  if (TRY(kernel.write(file.get(), text)) == text.size()) return {};
  return internal("host.write", "short write to " + path);
}

Status write_all(sys::Kernel& kernel, int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t put = TRY(kernel.write(fd, bytes));
    if (put == 0) return internal("host.short-write", "a write took nothing");
    bytes.remove_prefix(std::min(put, bytes.size()));
  }
  return {};
}

Result<UniqueFd> make_directories(sys::Kernel& kernel, const std::string& path, mode_t mode) {
  constexpr open_how kDirectory = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC};
  auto existing = kernel.openat2(AT_FDCWD, path, kDirectory);
  if (existing || existing.error().sys_errno != ENOENT) return existing;

  UniqueFd parent = TRY(open_directory(kernel, path.starts_with('/') ? "/" : "."));
  for (std::size_t at = 0; at < path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    const std::string name = path.substr(at, end - at);
    at = end + 1;
    if (name.empty()) continue;
    auto next = kernel.openat2(parent.get(), name, kDirectory);
    if (!next && next.error().sys_errno == ENOENT) {
      const Status made = kernel.mkdirat(parent.get(), name, mode);
      if (!made && made.error().sys_errno != EEXIST) return std::unexpected(made.error());
      next = kernel.openat2(parent.get(), name, kDirectory);
    }
    parent = TRY(std::move(next));
  }
  return parent;
}

Result<UniqueFd> open_directory(sys::Kernel& kernel, const std::string& path) {
  return kernel.openat2(AT_FDCWD, path, {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC});
}

}  // namespace casemate::fs
