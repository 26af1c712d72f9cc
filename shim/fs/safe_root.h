// SafeRoot: the only way to name something inside a root file system that others may have prepared.
// Every path is resolved by openat2(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS) below the root's
// descriptor, so a symbolic link can lead nowhere else (CVE-2021-30465, CVE-2019-19921), and what
// is made is made component by component at a descriptor (CVE-2024-45310).
#pragma once

#include <string>
#include <string_view>

#include "shim/base/result.h"
#include "shim/base/unique_fd.h"
#include "shim/sys/kernel.h"

namespace casemate::fs {

class SafeRoot {
 public:
  // `root` is an O_PATH descriptor of the root directory; it is owned here.
  SafeRoot(sys::Kernel& kernel, UniqueFd root) : kernel_(kernel), root_(std::move(root)) {}

  int fd() const { return root_.get(); }
  sys::Kernel& kernel() const { return kernel_; }

  // `path` is absolute or relative inside the root; `flags` as open(2), O_CLOEXEC is added. The
  // last component is followed only without O_NOFOLLOW. A link that leads to a magic link or a loop
  // is denied "fs.link"; a directory that is renamed again and again meanwhile "fs.race". Both, and
  // errors of the kernel, keep errno. ".." stops at the root. O_CREAT makes mode 0644.
  Result<UniqueFd> open(std::string_view path, int flags) const;
  // O_PATH of an existing directory or of one that is made now, with its parents (mode 0755).
  // A ".." component is denied "fs.dotdot", a symbolic link to nothing "fs.dangling". Modes here
  // and below are subject to the umask.
  Result<UniqueFd> make_directory(std::string_view path);
  // O_PATH of an existing non-directory, or of an empty regular file made now (mode 0644 at most).
  // A directory is bad_input "fs.directory".
  Result<UniqueFd> make_file(std::string_view path);
  // O_PATH of the directory that holds the last component of `path`, made when absent; the name is
  // returned beside it. "/" and ".." are refused.
  struct Place {
    UniqueFd parent;
    std::string name;
  };
  Result<Place> make_parent(std::string_view path);

 private:
  sys::Kernel& kernel_;
  UniqueFd root_;
};

}  // namespace casemate::fs
