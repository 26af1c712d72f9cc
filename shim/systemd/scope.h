// Which unit of systemd's a container is: runc's notation "slice:prefix:name" of linux.cgroupsPath,
// and where systemd puts the control group of such a unit (systemd.slice(5), systemd.scope(5)).
// Pure.
#pragma once

#include <string>
#include <string_view>

#include "shim/base/result.h"
#include "shim/plan/plan.h"

namespace casemate::systemd {

// "machine.slice:libpod:ID" is libpod-ID.scope in machine.slice; an empty slice is system.slice, an
// empty prefix leaves NAME.scope. Errors: bad_input "cgroup.systemd" for another form, and for
// names that are no unit's.
Result<plan::Scope> parse_scope(std::string_view cgroups_path);

// Each dash of a slice's name is a level: "a-b.slice" is "/a.slice/a-b.slice", "-.slice" is "".
// bad_input "cgroup.systemd" for what is no slice.
Result<std::string> slice_path(std::string_view slice);

// Below the mount point of cgroup v2: "/system.slice/docker-ID.scope".
Result<std::string> control_group(const plan::Scope& scope);

}  // namespace casemate::systemd
