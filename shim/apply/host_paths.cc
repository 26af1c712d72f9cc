#include "shim/apply/host_paths.h"

#include <fcntl.h>

#include "shim/apply/attach.h"

namespace casemate::apply {

Status HostPaths::open(const std::string& path) {
  if (entries_.contains(path)) return {};
  const open_how how{.flags = O_PATH | O_CLOEXEC, .mode = 0, .resolve = 0};
  auto opened = kernel_.openat2(AT_FDCWD, path, how);
  if (!opened) {
    const int error = opened.error().sys_errno;
    if (error != ENOENT && error != ENOTDIR) return std::unexpected(std::move(opened.error()));
    entries_[path] = {};
    return {};
  }
  const struct stat facts = TRY(kernel_.fstatat(opened->get(), "", AT_EMPTY_PATH));
  std::string leads_to =
      TRY(kernel_.readlinkat(AT_FDCWD, "/proc/self/fd/" + std::to_string(opened->get())));
  entries_[path] = {std::move(*opened), std::move(leads_to), S_ISREG(facts.st_mode)};
  return {};
}

Result<int> HostPaths::fd(const std::string& path) const {
  const auto found = entries_.find(path);
  if (found != entries_.end() && found->second.fd) return found->second.fd.get();
  return std::unexpected(Error{.cls = ErrorClass::bad_input,
                               .rule = "host.path",
                               .what = path + " does not exist on this host",
                               .hint = "create it, or correct the path",
                               .sys_errno = ENOENT});
}

std::map<std::string, std::string> HostPaths::resolved() const {
  std::map<std::string, std::string> all;
  for (const auto& [path, entry] : entries_)
    if (entry.fd) all[path] = entry.leads_to;
  return all;
}

std::set<std::string> HostPaths::regular_files() const {
  std::set<std::string> all;
  for (const auto& [path, entry] : entries_)
    if (entry.regular) all.insert(path);
  return all;
}

}  // namespace casemate::apply
