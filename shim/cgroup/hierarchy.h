// Where the control groups are: v1 hierarchies (also co-mounted and named ones), the v2 hierarchy
// beside them (hybrid) or alone. See cgroups(7).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "shim/base/result.h"
#include "shim/sys/kernel.h"

namespace casemate::cgroup {

struct Hierarchy {
  std::string mount_point;               // absolute
  std::vector<std::string> controllers;  // "memory", "name=systemd"; v2: those of its root
  bool v2 = false;
  std::string root;  // the caller's own cgroup, absolute below the mount point

  bool has(std::string_view controller) const;
};

// Pure: the texts of /proc/self/mountinfo and /proc/self/cgroup. A v2 hierarchy comes without its
// controllers. A hierarchy that is mounted twice is listed once, by its first visible mount.
// bad_input "cgroup.mountinfo" on a line that is not of the form proc(5) gives.
Result<std::vector<Hierarchy>> parse_hierarchies(std::string_view mountinfo,
                                                 std::string_view proc_cgroup);

// The same of the calling process, with the controllers of v2. unsupported "cgroup.none" when
// nothing is mounted.
Result<std::vector<Hierarchy>> read_hierarchies(sys::Kernel& kernel);

// The hierarchy that has the controller, or nullptr ("" asks for the v2 hierarchy itself).
const Hierarchy* find(const std::vector<Hierarchy>& all, std::string_view controller);

}  // namespace casemate::cgroup
