#include "shim/cgroup/files.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>

#include "shim/fs/names.h"

namespace casemate::cgroup {
namespace {

constexpr std::size_t kMaxText = 4 * 1024 * 1024;
constexpr std::size_t kPiece = 16 * 1024;
constexpr int kMaxDepth = 200;  // one descriptor a level
constexpr int kMaxRemovals = 10000;

bool vanished(const Error& error) {
  return error.sys_errno == ENOENT || error.sys_errno == ENODEV;
}

Status walk_level(sys::Kernel& kernel, int dir, int depth,
                  const std::function<Status(int)>& visit) {
  if (depth > kMaxDepth) {
    return internal("cgroup.depth", "control groups are nested more than 200 deep",
                    "end the job's processes and remove its control groups by hand");
  }
  TRY(visit(dir));
  for (const std::string& name : TRY(child_directories(kernel, dir))) {
    auto child = open_below(kernel, dir, name, O_RDONLY | O_DIRECTORY);
    if (!child && vanished(child.error())) continue;
    if (!child) return std::unexpected(std::move(child.error()));
    auto status = walk_level(kernel, child->get(), depth + 1, visit);
    if (!status && !vanished(status.error())) return status;
  }
  return {};
}

}  // namespace

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> pieces;
  std::size_t begin = 0;
  while (true) {
    const std::size_t end = text.find(separator, begin);
    pieces.push_back(text.substr(begin, end - begin));
    if (end == std::string_view::npos) return pieces;
    begin = end + 1;
  }
}

std::vector<std::string_view> words(std::string_view text) {
  static constexpr std::string_view kSpace = " \t\n";
  std::vector<std::string_view> out;
  std::size_t begin = text.find_first_not_of(kSpace);
  while (begin != std::string_view::npos) {
    const std::size_t end = text.find_first_of(kSpace, begin);
    out.push_back(text.substr(begin, end - begin));
    begin = text.find_first_not_of(kSpace, end);
  }
  return out;
}

std::string_view trim(std::string_view text) {
  static constexpr std::string_view kSpace = " \t\n";
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

Result<UniqueFd> open_mount_point(sys::Kernel& kernel, const std::string& path) {
  open_how how{};
  how.flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  return kernel.openat2(AT_FDCWD, path, how);
}

Status check_magic(int fd, bool v2, const std::string& path) {
  struct statfs info{};
  if (::fstatfs(fd, &info) != 0) return sys_error("fstatfs " + path);
  const long wanted = v2 ? CGROUP2_SUPER_MAGIC : CGROUP_SUPER_MAGIC;
  if (info.f_type == wanted) return {};
  return internal("cgroup.magic", path + " is not a cgroup file system",
                  "something else is mounted over it");
}

Result<UniqueFd> open_below(sys::Kernel& kernel, int dir, const std::string& path, int flags) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
  return kernel.openat2(dir, path, how);
}

Result<std::string> read_file(sys::Kernel& kernel, int dir, const std::string& name) {
  const auto file = TRY(open_below(kernel, dir, name, O_RDONLY));
  std::string text;
  while (text.size() <= kMaxText) {
    const std::string piece = TRY(kernel.read(file.get(), kPiece));
    if (piece.empty()) return text;
    text += piece;
  }
  return internal("cgroup.large", name + " has more than 4 MiB");
}

Status write_file(sys::Kernel& kernel, int dir, const std::string& name, std::string_view value) {
  const auto file = TRY(open_below(kernel, dir, name, O_WRONLY));
  const std::size_t written = TRY(kernel.write(file.get(), value));
  if (written == value.size()) return {};
  return internal("cgroup.short-write", "only a part of the value went into " + name);
}

Result<std::vector<std::string>> child_directories(sys::Kernel& kernel, int dir) {
  // A cgroup file system counts a directory's children in its links, and most have none.
  if (TRY(kernel.fstatat(dir, "", AT_EMPTY_PATH)).st_nlink == 2) return std::vector<std::string>();
  std::vector<std::string> names;
  for (fs::Entry& entry : TRY(fs::entries_in(kernel, dir)))
    if (entry.directory) names.push_back(std::move(entry.name));
  return names;
}

Status walk(sys::Kernel& kernel, int dir, const std::function<Status(int)>& visit) {
  return walk_level(kernel, dir, 0, visit);
}

Status remove_children(sys::Kernel& kernel, int dir) {
  // One descriptor at a time, so that no depth of nesting can stop the clean-up: go down the first
  // children, remove what has none, begin again at the top while there was something to remove.
  for (int removed = 0; removed < kMaxRemovals; ++removed) {
    auto names = TRY(child_directories(kernel, dir));
    if (names.empty()) return {};
    UniqueFd parent;  // empty: `dir` itself
    while (true) {
      const int at = parent ? parent.get() : dir;
      auto child = TRY(open_below(kernel, at, names.front(), O_RDONLY | O_DIRECTORY));
      auto below = TRY(child_directories(kernel, child.get()));
      if (below.empty()) break;
      parent = std::move(child);
      names = std::move(below);
    }
    TRY(kernel.unlinkat(parent ? parent.get() : dir, names.front(), AT_REMOVEDIR));
  }
  return internal("cgroup.remove", "control groups below the container's do not go away");
}

}  // namespace casemate::cgroup
