// Paths of the host that a request names (bind sources, hook programs, namespaces), opened once.
// What the policy judges is where the descriptor leads, and what is used later is the descriptor:
// nothing can be exchanged in between.
#pragma once

#include <map>
#include <set>
#include <string>

#include "shim/base/result.h"
#include "shim/base/unique_fd.h"
#include "shim/sys/kernel.h"

namespace casemate::apply {

class HostPaths {
 public:
  explicit HostPaths(sys::Kernel& kernel) : kernel_(kernel) {}

  // Opens an absolute path (O_PATH) unless that was done before. A path that does not exist is
  // remembered as absent and is no error.
  Status open(const std::string& path);
  // Descriptor of an opened path, owned here; sys_error ENOENT when it is absent.
  Result<int> fd(const std::string& path) const;
  // Asked path -> where it leads; absent ones left out.
  std::map<std::string, std::string> resolved() const;
  // Of the paths, as they were asked for, those that lead to a regular file.
  std::set<std::string> regular_files() const;

 private:
  struct Entry {
    UniqueFd fd;
    std::string leads_to;
    bool regular = false;
  };
  sys::Kernel& kernel_;
  std::map<std::string, Entry> entries_;
};

}  // namespace casemate::apply
