// ProcFs: a procfs that is known to be one. Writes of labels, sysctls and /proc/self attributes go
// through a private mount that nobody else has seen (CVE-2019-16884, CVE-2025-52881).
#pragma once

#include <string>
#include <string_view>

#include "shim/base/result.h"
#include "shim/base/unique_fd.h"
#include "shim/sys/kernel.h"

namespace casemate::fs {

class ProcFs {
 public:
  // A fresh detached procfs of the caller's pid namespace (fsopen), with PROC_SUPER_MAGIC and the
  // root inode verified. Falls back to open_tree of /proc, verified likewise, when fsopen is
  // refused with EPERM.
  static Result<ProcFs> open(sys::Kernel& kernel);

  int fd() const { return root_.get(); }
  // Paths are relative ("self/attr/exec", "sys/net/…"); symbolic links are followed only inside
  // procfs itself and no mount may be crossed (RESOLVE_BENEATH | RESOLVE_NO_XDEV; NO_MAGICLINKS):
  // denied "fs.link". What was opened is checked to be procfs once more: denied "proc.fake".
  Result<UniqueFd> open_file(std::string_view path, int flags) const;
  Result<std::string> read(std::string_view path) const;              // at most 1 MiB
  Status write(std::string_view path, std::string_view value) const;  // one write(2), or an error

 private:
  ProcFs(sys::Kernel& kernel, UniqueFd root) : kernel_(&kernel), root_(std::move(root)) {}
  sys::Kernel* kernel_;
  UniqueFd root_;
};

}  // namespace casemate::fs
