#include "shim/fs/names.h"

#include <dirent.h>
#include <fcntl.h>

#include <memory>

namespace casemate::fs {
namespace {

struct DirClose {
  void operator()(DIR* dir) const { ::closedir(dir); }
};

}  // namespace

Result<std::vector<Entry>> entries_in(sys::Kernel& kernel, int directory, std::size_t most) {
  const open_how how{.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC, .mode = 0, .resolve = 0};
  UniqueFd fd = TRY(kernel.openat2(directory, ".", how));
  const std::unique_ptr<DIR, DirClose> dir(::fdopendir(fd.get()));
  if (dir == nullptr) return sys_error("list a folder");
  (void)fd.release();  // closedir closes it
  std::vector<Entry> entries;
  while (entries.size() < most) {
    errno = 0;
    const dirent* entry = ::readdir(dir.get());
    // ENOENT: it was removed meanwhile.
    if (entry == nullptr && errno != 0 && errno != ENOENT) return sys_error("list a folder");
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..")
      entries.push_back({.name = std::string(name), .directory = entry->d_type == DT_DIR});
  }
  return entries;
}

Result<std::vector<std::string>> names_in(sys::Kernel& kernel, int directory, std::size_t most) {
  std::vector<std::string> names;
  for (Entry& entry : TRY(entries_in(kernel, directory, most)))
    names.push_back(std::move(entry.name));
  return names;
}

}  // namespace casemate::fs
