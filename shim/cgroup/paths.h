// Where a container's control group goes. Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "shim/base/result.h"
#include "shim/cgroup/hierarchy.h"

namespace casemate::cgroup {

// The leaf of linux.cgroupsPath in one hierarchy, below its mount point, without leading or doubled
// slashes. `v2_alone`: no v1 controllers beside it. Errors as Cgroup::create documents them.
Result<std::string> leaf_path(const Hierarchy& hierarchy, bool v2_alone,
                              std::string_view cgroups_path);

// slice:prefix:name, runc's notation for --systemd-cgroup, for example "system.slice:docker:ID".
bool is_systemd_form(std::string_view path);

// Which group below the container's own a process joins in one hierarchy: of `below`, by
// controller, or under "" for all. Controllers name hierarchies of v1. Empty: the container's own.
// bad_input "cgroup.below" for a path that does not lead down, and for two paths in one hierarchy.
Result<std::string> path_below(const Hierarchy& hierarchy,
                               const std::map<std::string, std::string>& below);

// "a/b" of "a/b/c"; empty at the top.
std::string parent_of(std::string_view path);
std::string name_of(std::string_view path);

}  // namespace casemate::cgroup
