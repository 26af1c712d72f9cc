#include "shim/fs/safe_root.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <vector>

#include "shim/fs/resolve.h"

namespace casemate::fs {
namespace {

constexpr std::uint64_t kInRoot = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
// For a name that was just made: whatever else stands there by now is not ours.
constexpr std::uint64_t kPlainName = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS;
constexpr mode_t kDirectoryMode = 0755;
constexpr mode_t kFileMode = 0644;

bool is_errno(const Error& error, int number) {
  return error.sys_errno == number;
}

// The names of `path`; "" and "." are left out.
Result<std::vector<std::string>> components(std::string_view path) {
  std::vector<std::string> names;
  while (!path.empty()) {
    const std::size_t length = std::min(path.find('/'), path.size());
    const std::string_view name = path.substr(0, length);
    path.remove_prefix(std::min(length + 1, path.size()));
    if (name.empty() || name == ".") continue;
    if (name == "..")
      return denied("fs.dotdot", "\"..\" in a path that may be created",
                    "write the path without \"..\"");
    names.emplace_back(name);
  }
  return names;
}

std::string joined(const std::vector<std::string>& names) {
  std::string path;
  for (const auto& name : names) path += "/" + name;
  return path.empty() ? "/" : path;
}

// A symbolic link stands where something was to be made, and its target does not exist.
std::unexpected<Error> dangling(const std::string& path) {
  return denied("fs.dangling", "\"" + path + "\" is a symbolic link to nothing",
                "create its target in the image, or remove the link");
}

// Makes the directory `name` in `parent`, or takes the one that somebody else made meanwhile.
Result<UniqueFd> make_one_directory(sys::Kernel& kernel, int parent, const std::string& name,
                                    const std::string& path) {
  const Status made = kernel.mkdirat(parent, name, kDirectoryMode);
  if (!made && !is_errno(made.error(), EEXIST)) return std::unexpected(made.error());
  auto opened = resolve(kernel, parent, name,
                        {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = kPlainName});
  if (!opened && is_errno(opened.error(), ELOOP)) return dangling(path);
  return opened;
}

}  // namespace

Result<UniqueFd> SafeRoot::open(std::string_view path, int flags) const {
  const std::uint64_t all = static_cast<unsigned>(flags) | O_CLOEXEC;
  const std::uint64_t mode = (flags & O_CREAT) != 0 ? kFileMode : 0;
  return resolve(kernel_, root_.get(), std::string(path),
                 {.flags = all, .mode = mode, .resolve = kInRoot});
}

Result<UniqueFd> SafeRoot::make_directory(std::string_view path) {
  constexpr int kDirectory = O_PATH | O_DIRECTORY;
  const std::vector<std::string> names = TRY(components(path));
  auto existing = open(joined(names), kDirectory);
  if (existing || !is_errno(existing.error(), ENOENT)) return existing;

  // Each prefix is resolved anew from the root, because only there an absolute link in the middle
  // means the same as it will mean to the container.
  UniqueFd parent = TRY(open("/", kDirectory));
  std::string prefix;
  for (const auto& name : names) {
    prefix += "/" + name;
    auto next = open(prefix, kDirectory);
    if (!next && is_errno(next.error(), ENOENT))
      next = make_one_directory(kernel_, parent.get(), name, prefix);
    parent = TRY(std::move(next));
  }
  return parent;
}

Result<SafeRoot::Place> SafeRoot::make_parent(std::string_view path) {
  std::vector<std::string> names = TRY(components(path));
  if (names.empty())
    return bad_input("fs.path", "\"" + std::string(path) + "\" names the root itself",
                     "name something below it");
  std::string last = std::move(names.back());
  names.pop_back();
  return Place{.parent = TRY(make_directory(joined(names))), .name = std::move(last)};
}

Result<UniqueFd> SafeRoot::make_file(std::string_view path) {
  const std::string whole = joined(TRY(components(path)));
  auto file = open(whole, O_PATH);
  if (!file && is_errno(file.error(), ENOENT)) {
    const Place place = TRY(make_parent(whole));
    // mknod opens nothing, so neither a FIFO nor a device that was put there is woken.
    const Status made = kernel_.mknodat(place.parent.get(), place.name, S_IFREG | kFileMode, 0);
    if (!made && !is_errno(made.error(), EEXIST)) return std::unexpected(made.error());
    file = resolve(kernel_, place.parent.get(), place.name,
                   {.flags = O_PATH | O_CLOEXEC, .resolve = kPlainName});
    if (!file && is_errno(file.error(), ELOOP)) return dangling(whole);
  }
  if (!file) return file;
  const struct stat facts = TRY(kernel_.fstatat(file->get(), "", AT_EMPTY_PATH));
  if (S_ISDIR(facts.st_mode))
    return bad_input("fs.directory", "\"" + whole + "\" is a directory, a file was asked for",
                     "mount a directory there, or remove it from the image");
  return file;
}

}  // namespace casemate::fs
