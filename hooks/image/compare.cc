#include "hooks/image/compare.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <set>

#include "hooks/image/beneath.h"
#include "hooks/image/extras.h"
#include "hooks/image/hash.h"
#include "hooks/image/parallel.h"

namespace casemate::image {
namespace {

constexpr std::size_t kBuffer = 256 << 10;
constexpr std::size_t kMaxDepth = 2048;
constexpr mode_t kModeBits = 07777;

std::unexpected<Error> differs(const std::string& path, const std::string& how) {
  return denied("image.content", path + ": " + how,
                "unpack the image again; nothing may write to its rootfs");
}

std::unexpected<Error> unreadable(const std::string& path, const Error& error) {
  if (error.sys_errno == EXDEV) return differs(path, "is covered by a mount");
  if (error.sys_errno == ELOOP || error.sys_errno == ENOENT || error.sys_errno == ENOTDIR ||
      error.rule == "image.not-regular")
    return differs(path, "was replaced during the comparison");
  return std::unexpected(error);
}

// "usr/bin" for openat2, which takes no absolute path beneath a directory.
std::string relative(const std::string& path) {
  return path.size() > 1 ? path.substr(1) : ".";
}

std::string octal(mode_t mode) {
  std::string out;
  for (int shift = 9; shift >= 0; shift -= 3) out += static_cast<char>('0' + ((mode >> shift) & 7));
  return out;
}

bool has_type(const struct stat& facts, FileType type) {
  static constexpr std::array<mode_t, 6> kFormats = {S_IFREG, S_IFDIR, S_IFLNK,
                                                     S_IFCHR, S_IFBLK, S_IFIFO};
  return (facts.st_mode & S_IFMT) == kFormats[static_cast<std::size_t>(type)];
}

Result<std::string> read_target(int directory, const std::string& name) {
  std::array<char, PATH_MAX> target;
  const ssize_t length = ::readlinkat(directory, name.c_str(), target.data(), target.size());
  if (length < 0) return sys_error("readlink " + name);
  return std::string(target.data(), static_cast<std::size_t>(length));
}

// Engines choose the metadata of parents that no layer describes, and of the root itself.
Status check_implied(const std::string& path, const struct stat& facts) {
  if (facts.st_uid == 0 && (facts.st_mode & (S_IWGRP | S_IWOTH)) == 0) return {};
  return differs(path, "may be written by others than root");
}

Status check_metadata(const std::string& path, const struct stat& facts, const Entry& expected) {
  if (!has_type(facts, expected.type))
    return differs(path,
                   "is not the " + std::string(to_string(expected.type)) + " of the signed image");
  if (expected.implied) return check_implied(path, facts);
  if (facts.st_uid != expected.uid || facts.st_gid != expected.gid)
    return differs(path, "owner is " + std::to_string(facts.st_uid) + ":" +
                             std::to_string(facts.st_gid) + ", in the signed image " +
                             std::to_string(expected.uid) + ":" + std::to_string(expected.gid));
  const mode_t mode = facts.st_mode & kModeBits;
  if (expected.type != FileType::symlink && mode != expected.mode)
    return differs(path,
                   "mode is " + octal(mode) + ", in the signed image " + octal(expected.mode));
  if (expected.type == FileType::regular &&
      static_cast<std::uint64_t>(facts.st_size) != expected.size)
    return differs(path, "size differs from the signed image");
  const bool device = expected.type == FileType::character || expected.type == FileType::block;
  if (device && facts.st_rdev != expected.device)
    return differs(path, "device number differs from the signed image");
  return {};
}

struct ToHash {
  std::string path;
  const Entry* expected;
};

class Walker {
 public:
  Walker(int rootfs, const Extras& extras) : rootfs_(rootfs), extras_(extras) {}

  Status walk(const std::string& path, const Node* expected, std::size_t depth = 0) {
    if (depth > kMaxDepth) return differs(path, "is nested too deeply");
    auto directory = open_directory_beneath(rootfs_, relative(path));
    if (!directory) return unreadable(path, directory.error());
    const auto children = TRY(inspect(std::move(*directory), path, expected));
    // The directory is closed by now: depth costs no descriptors.
    for (const auto& [child, node] : children) TRY(walk(child, node, depth + 1));
    return {};
  }

  const std::vector<ToHash>& to_hash() const { return to_hash_; }
  std::uint64_t found() const { return found_; }

 private:
  using Children = std::vector<std::pair<std::string, const Node*>>;

  // Checks every entry of one directory and returns its subdirectories.
  Result<Children> inspect(UniqueFd directory, const std::string& path, const Node* expected) {
    Children out;
    const auto names = TRY(list(directory.get(), path));
    for (const auto& name : names) {
      const std::string child = (path == "/" ? path : path + "/") + name;
      const Node* node = nullptr;
      if (expected != nullptr)
        if (const auto at = expected->children.find(name); at != expected->children.end())
          node = at->second.get();
      if (TRY(inspect_entry(directory.get(), name, child, node))) out.emplace_back(child, node);
    }
    if (expected != nullptr)
      for (const auto& [name, node] : expected->children)
        if (!names.contains(name))
          return differs((path == "/" ? path : path + "/") + name, "is missing");
    return out;
  }

  // True for a directory.
  Result<bool> inspect_entry(int directory, const std::string& name, const std::string& path,
                             const Node* node) {
    struct stat facts{};
    if (::fstatat(directory, name.c_str(), &facts, AT_SYMLINK_NOFOLLOW) != 0)
      return unreadable(path, sys_error("stat " + path).error());
    if (node == nullptr) {
      TRY(check_extra(directory, name, path, facts));
      return S_ISDIR(facts.st_mode);
    }
    const Entry& expected = node->entry;
    TRY(check_metadata(path, facts, expected));
    if (expected.type == FileType::symlink && TRY(read_target(directory, name)) != expected.target)
      return differs(path, "link target differs from the signed image");
    if (expected.type == FileType::regular) to_hash_.push_back({path, &expected});
    ++found_;
    return expected.type == FileType::directory;
  }

  Status check_extra(int directory, const std::string& name, const std::string& path,
                     const struct stat& facts) {
    if (!may_be_extra(extras_, path)) return differs(path, "is not in the signed image");
    std::string target;
    if (S_ISLNK(facts.st_mode)) target = TRY(read_target(directory, name));
    const std::string harm = harm_of_extra(path, facts, target);
    if (!harm.empty()) return differs(path, harm);
    return {};
  }

  // Sorted, so that the first difference is the same one every time.
  static Result<std::set<std::string, std::less<>>> list(int directory, const std::string& path) {
    UniqueFd copy(::fcntl(directory, F_DUPFD_CLOEXEC, 0));
    if (!copy) return sys_error("list " + path);
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(copy.get()), &::closedir);
    if (!stream) return sys_error("list " + path);
    (void)copy.release();  // closedir closes it
    std::set<std::string, std::less<>> names;
    errno = 0;
    while (const dirent* entry = ::readdir(stream.get())) {
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace(name);
      errno = 0;
    }
    if (errno != 0) return sys_error("list " + path);
    return names;
  }

  const int rootfs_;
  const Extras& extras_;
  std::vector<ToHash> to_hash_;
  std::uint64_t found_ = 0;
};

Status check_capability(int fd, const ToHash& file) {
  std::array<char, 256> value;
  const ssize_t size = ::fgetxattr(fd, "security.capability", value.data(), value.size());
  if (size < 0 && errno != ENODATA && errno != EOPNOTSUPP)
    return sys_error("read file capabilities of " + file.path);
  const std::string_view found(value.data(), size < 0 ? 0 : static_cast<std::size_t>(size));
  if (found == file.expected->capability) return {};
  return differs(file.path, "file capabilities differ from the signed image");
}

Status check_content(int rootfs, const ToHash& file) {
  const auto open = open_beneath(rootfs, relative(file.path));
  if (!open) return unreadable(file.path, open.error());
  TRY(check_capability(open->fd.get(), file));
  thread_local const auto buffer = std::make_unique_for_overwrite<char[]>(kBuffer);
  Hasher hasher;
  while (hasher.bytes() <= file.expected->size) {
    const ssize_t got = ::read(open->fd.get(), buffer.get(), kBuffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return sys_error("read " + file.path);
    if (got == 0) break;
    hasher.update(buffer.get(), static_cast<std::size_t>(got));
  }
  if (hasher.bytes() == file.expected->size && hasher.finish() == file.expected->sha256) return {};
  return differs(file.path, "content differs from the signed image");
}

}  // namespace

Result<Compared> compare_rootfs(int rootfs, const Tree& expected, const Extras& extras,
                                unsigned threads) {
  struct stat facts{};
  if (::fstatat(rootfs, "", &facts, AT_EMPTY_PATH) != 0) return sys_error("stat the rootfs");
  if (!S_ISDIR(facts.st_mode)) return bad_input("image.rootfs", "the rootfs is not a directory");
  TRY(check_implied("/", facts));
  Walker walker(rootfs, extras);
  TRY(walker.walk("/", &expected.root()));
  const auto& files = walker.to_hash();
  TRY(run_parallel(files.size(), threads,
                   [&](std::size_t i) { return check_content(rootfs, files[i]); }));
  Compared out{.files = walker.found()};
  for (const auto& file : files) out.bytes += file.expected->size;
  return out;
}

}  // namespace casemate::image
