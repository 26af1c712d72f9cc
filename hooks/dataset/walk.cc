#include "hooks/dataset/walk.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>

#include <algorithm>
#include <memory>

#include "hooks/dataset/format.h"

namespace casemate::dataset {
namespace {

struct DirClose {
  void operator()(DIR* dir) const { ::closedir(dir); }
};

bool same_time(const timespec& a, const timespec& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

Result<UniqueFd> open_beneath(int directory, const std::string& path, int flags) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC | O_NOFOLLOW);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  UniqueFd fd(static_cast<int>(::syscall(SYS_openat2, directory, path.c_str(), &how, sizeof how)));
  if (!fd) return sys_error("open " + path + " of the source");
  return fd;
}

Result<std::vector<std::string>> list_names(UniqueFd directory) {
  const std::unique_ptr<DIR, DirClose> dir(::fdopendir(directory.get()));
  if (dir == nullptr) return sys_error("list a folder of the source");
  (void)directory.release();  // closedir closes it
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(dir.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
    errno = 0;
  }
  if (errno != 0) return sys_error("list a folder of the source");
  std::sort(names.begin(), names.end());
  return names;
}

std::unexpected<Error> changed(const std::string& path) {
  return bad_input("dataset.source-changed", "the file " + path + " changed while it was sealed",
                   "seal a folder that nobody writes to");
}

class Walk {
 public:
  explicit Walk(int root) : root_(root) {}

  Status directory(const std::string& path) {
    const std::string place = path.empty() ? "." : path;
    UniqueFd dir = TRY(open_beneath(root_, place, O_RDONLY | O_DIRECTORY));
    const int fd = dir.get();
    const UniqueFd facts(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
    const auto names = TRY(list_names(std::move(dir)));
    for (const auto& name : names)
      TRY(visit(facts.get(), name, path.empty() ? name : path + "/" + name));
    return {};
  }

  std::vector<SourceEntry> take() { return std::move(found_); }

 private:
  Status visit(int dir, const std::string& name, const std::string& path) {
    SourceEntry entry{.path = path};
    if (::fstatat(dir, name.c_str(), &entry.facts, AT_SYMLINK_NOFOLLOW) != 0)
      return sys_error("look at " + path + " of the source");
    if (!is_safe_path(path))
      return bad_input("dataset.path", "the path is too long or too deep: " + path);
    const bool folder = S_ISDIR(entry.facts.st_mode);
    if (!folder && !S_ISREG(entry.facts.st_mode))
      return bad_input("dataset.file-type", path + " is neither a regular file nor a folder",
                       "replace it by what it stands for, or leave it out");
    if (found_.size() >= kMaxEntries)
      return bad_input("dataset.entries", "more than 8388608 files and folders",
                       "pack small files into larger ones");
    found_.push_back(std::move(entry));
    if (folder) TRY(directory(path));
    return {};
  }

  int root_;
  std::vector<SourceEntry> found_;
};

}  // namespace

Identity Identity::of(const struct stat& facts) {
  return {facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtim, facts.st_ctim};
}

bool Identity::operator==(const Identity& other) const {
  return device == other.device && inode == other.inode && size == other.size &&
         same_time(modified, other.modified) && same_time(changed, other.changed);
}

Result<SourceTree> walk_source(int directory) {
  Walk walk(directory);
  TRY(walk.directory({}));
  SourceTree tree;
  tree.sources = walk.take();
  std::sort(tree.sources.begin(), tree.sources.end(),
            [](const SourceEntry& a, const SourceEntry& b) { return path_less(a.path, b.path); });
  tree.entries.reserve(tree.sources.size());
  for (const auto& source : tree.sources) {
    Entry entry{.path = source.path, .directory = S_ISDIR(source.facts.st_mode)};
    entry.mode = source.facts.st_mode & 0777;
    entry.mtime_seconds = source.facts.st_mtim.tv_sec;
    entry.mtime_nanoseconds = static_cast<std::uint32_t>(source.facts.st_mtim.tv_nsec);
    if (!entry.directory) {
      entry.size = static_cast<std::uint64_t>(source.facts.st_size);
      entry.offset = place_file(tree.payload_bytes, entry.size);
      tree.payload_bytes = entry.end();
      tree.total_bytes += entry.size;
      ++tree.files;
    }
    tree.entries.push_back(entry);
  }
  if (tree.payload_bytes > kMaxBody / 2)
    return bad_input("dataset.size", "the source is larger than 512 TiB");
  return tree;
}

Result<UniqueFd> open_source(int directory, const SourceEntry& entry) {
  // O_NONBLOCK: a FIFO that took the file's place must not stop us before the check.
  auto file = open_beneath(directory, entry.path, O_RDONLY | O_NONBLOCK);
  if (!file && (file.error().sys_errno == ENOENT || file.error().sys_errno == ELOOP))
    return changed(entry.path);
  if (!file) return file;
  TRY(check_unchanged(file->get(), entry));
  return file;
}

Status check_unchanged(int file, const SourceEntry& entry) {
  struct stat now{};
  if (::fstat(file, &now) != 0) return sys_error("look at " + entry.path + " of the source");
  if (!(Identity::of(now) == Identity::of(entry.facts))) return changed(entry.path);
  return {};
}

}  // namespace casemate::dataset
