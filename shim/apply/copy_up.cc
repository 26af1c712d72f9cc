#include "shim/apply/copy_up.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <string>
#include <vector>

#include "shim/apply/attach.h"
#include "shim/fs/host_file.h"
#include "shim/fs/names.h"

namespace casemate::apply {
namespace {

// By single names below a descriptor: no link is followed, no mount is entered.
constexpr std::uint64_t kPlainName =
    RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
constexpr std::size_t kChunk = 1 << 20;
constexpr mode_t kFolderBits = 03777;  // the sticky bit, and the group that is inherited
constexpr mode_t kFileBits = 0777;     // nothing that gives a right to who executes it

std::unexpected<Error> refused(const std::string& what, const char* hint) {
  return denied("mount.copy-up", what, hint, "/mounts");
}

// A full tmpfs (ENOSPC for its bytes and for its inodes alike) is no failure of ours.
Status unless_full(Status done) {
  if (done || !is_errno(done.error(), ENOSPC)) return done;
  return refused("what the image has there does not fit the tmpfs",
                 "give the mount a larger \"size=\", or remove tmpcopyup");
}

Result<UniqueFd> open_at(sys::Kernel& kernel, int dir, const std::string& name, int flags,
                         mode_t mode = 0) {
  const open_how how{.flags = static_cast<std::uint64_t>(flags) | O_NOFOLLOW | O_CLOEXEC,
                     .mode = mode,
                     .resolve = kPlainName};
  return kernel.openat2(dir, name, how);
}

// Depth first, two descriptors for each level.
class CopyUp {
 public:
  CopyUp(sys::Kernel& kernel, const CopyBounds& bounds) : kernel_(kernel), left_(bounds) {}

  Status run(UniqueFd from, UniqueFd to) {
    TRY(enter(std::move(from), std::move(to)));
    while (!levels_.empty()) {
      if (levels_.back().names.empty()) {
        levels_.pop_back();
        continue;
      }
      const std::string name = std::move(levels_.back().names.back());
      levels_.back().names.pop_back();
      if (Status done = unless_full(copy(name)); !done)
        return std::unexpected(std::move(done.error()).with_context(printable(name)));
    }
    return {};
  }

 private:
  struct Level {
    UniqueFd from, to;
    std::vector<std::string> names;  // still to be copied
  };

  Status enter(UniqueFd from, UniqueFd to) {
    if (levels_.size() == left_.depth)
      return refused("folders of the image are nested too deep", "remove tmpcopyup");
    // One more than there may be: that there are too many is then seen.
    auto names = TRY(fs::names_in(kernel_, from.get(), left_.entries + 1));
    if (names.size() > left_.entries)
      return refused("the image has too many files there", "remove tmpcopyup");
    left_.entries -= names.size();
    std::ranges::sort(names);
    levels_.push_back({std::move(from), std::move(to), std::move(names)});
    return {};
  }

  Status copy(const std::string& name) {
    const Level& level = levels_.back();
    const struct stat like = TRY(kernel_.fstatat(level.from.get(), name, AT_SYMLINK_NOFOLLOW));
    switch (like.st_mode & S_IFMT) {
      case S_IFREG:
        return copy_file(name);
      case S_IFDIR:
        return copy_folder(name);
      case S_IFLNK:
        return copy_link(name, like);
      case S_IFCHR:
      case S_IFBLK:
      case S_IFIFO:
      case S_IFSOCK:
        return {};  // left out
      default:
        return internal("readback.copy-up", "a file of no known type");
    }
  }

  // Nothing when the name is a mount point. What was a file when we looked may be a FIFO by now:
  // that open(2) does not wait for.
  Result<UniqueFd> open_source(const std::string& name, int flags) {
    auto opened = open_at(kernel_, levels_.back().from.get(), name, flags | O_RDONLY | O_NONBLOCK);
    if (!opened && is_errno(opened.error(), EXDEV)) return UniqueFd();
    return opened;
  }

  Status copy_file(const std::string& name) {
    const UniqueFd from = TRY(open_source(name, O_NOCTTY));
    if (!from) return {};
    const struct stat like = TRY(stat_of(kernel_, from.get()));
    if (!S_ISREG(like.st_mode))
      return refused("a file of the image became another one", "stop what changes the image");
    const UniqueFd to =
        TRY(open_at(kernel_, levels_.back().to.get(), name, O_WRONLY | O_CREAT | O_EXCL, 0600));
    const std::uint64_t size = TRY(copy_bytes(from.get(), to.get()));
    if (size != static_cast<std::uint64_t>(like.st_size))
      return refused("a file of the image changed meanwhile", "stop what changes the image");
    TRY(own(to.get(), like, kFileBits));
    if (static_cast<std::uint64_t>(TRY(stat_of(kernel_, to.get())).st_size) == size) return {};
    return internal("readback.copy-up", "the copy of " + printable(name) + " is not complete");
  }

  Result<std::uint64_t> copy_bytes(int from, int to) {
    std::uint64_t size = 0;
    while (true) {
      const std::string bytes = TRY(kernel_.read(from, kChunk));
      if (bytes.empty()) return size;
      if (bytes.size() > left_.bytes)
        return refused("the image has too many bytes there", "remove tmpcopyup");
      left_.bytes -= bytes.size();
      size += bytes.size();
      TRY(fs::write_all(kernel_, to, bytes));
    }
  }

  Status copy_folder(const std::string& name) {
    UniqueFd from = TRY(open_source(name, O_DIRECTORY));
    if (!from) return {};
    const struct stat like = TRY(stat_of(kernel_, from.get()));
    const int parent = levels_.back().to.get();
    TRY(kernel_.mkdirat(parent, name, 0700));
    UniqueFd to = TRY(open_at(kernel_, parent, name, O_RDONLY | O_DIRECTORY));
    TRY(own(to.get(), like, kFolderBits));
    return enter(std::move(from), std::move(to));
  }

  Status copy_link(const std::string& name, const struct stat& like) {
    const Level& level = levels_.back();
    const std::string target = TRY(kernel_.readlinkat(level.from.get(), name));
    TRY(kernel_.symlinkat(target, level.to.get(), name));
    TRY(kernel_.fchownat(level.to.get(), name, like.st_uid, like.st_gid, AT_SYMLINK_NOFOLLOW));
    if (TRY(kernel_.readlinkat(level.to.get(), name)) == target) return {};
    return internal("readback.copy-up", "the copy of link " + printable(name) + " differs");
  }

  // The mode last: a change of owner takes bits away.
  Status own(int fd, const struct stat& like, mode_t bits) {
    TRY(kernel_.fchownat(fd, "", like.st_uid, like.st_gid, AT_EMPTY_PATH));
    TRY(kernel_.fchmod(fd, like.st_mode & bits));
    const struct stat is = TRY(stat_of(kernel_, fd));
    if (is.st_uid == like.st_uid && is.st_gid == like.st_gid &&
        is.st_mode == (like.st_mode & (S_IFMT | bits)))
      return {};
    return internal("readback.copy-up", "a copy has another owner or mode than its original");
  }

  sys::Kernel& kernel_;
  CopyBounds left_;
  std::vector<Level> levels_;
};

bool says(const plan::MountOptions& options, std::string_view key) {
  return std::ranges::any_of(options.data, [&](const auto& one) { return one.first == key; });
}

// As runc does it for every tmpfs: the new root looks like the folder that it covers.
Status own_root(sys::Kernel& kernel, const plan::MountOptions& options, int folder, int root) {
  const struct stat like = TRY(stat_of(kernel, folder));
  const bool owned = says(options, "uid") || says(options, "gid");
  if (!owned) TRY(kernel.fchownat(root, "", like.st_uid, like.st_gid, AT_EMPTY_PATH));
  if (!says(options, "mode")) TRY(kernel.fchmod(root, like.st_mode & kFolderBits));
  const struct stat is = TRY(stat_of(kernel, root));
  if ((owned || (is.st_uid == like.st_uid && is.st_gid == like.st_gid)) &&
      (says(options, "mode") || (is.st_mode & 07777) == (like.st_mode & kFolderBits)))
    return {};
  return internal("readback.copy-up", "the tmpfs has another owner or mode than the folder");
}

}  // namespace

Status copy_up(sys::Kernel& kernel, int folder, int tmpfs, const plan::MountOptions& options,
               const CopyBounds& bounds) {
  UniqueFd from = TRY(open_at(kernel, folder, ".", O_RDONLY | O_DIRECTORY));
  UniqueFd to = TRY(open_at(kernel, tmpfs, ".", O_RDONLY | O_DIRECTORY));
  TRY(own_root(kernel, options, from.get(), to.get()));
  return CopyUp(kernel, bounds).run(std::move(from), std::move(to));
}

}  // namespace casemate::apply
