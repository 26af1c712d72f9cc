// What compile() and compile_exec() make of a process; not for other callers.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "shim/base/result.h"
#include "shim/oci/spec.h"
#include "shim/plan/plan.h"

namespace casemate::plan {

// bad_input "oci.capability", "oci.capability-sets". Nothing asked is nothing given.
Result<SetCapabilities> compile_capabilities(const std::optional<oci::Capabilities>& asked);

// Of PATH in the environment; the usual folders without one.
std::string search_path(const std::vector<std::string>& env);

// unsupported "selinux.disabled" for a label without SELinux.
Status need_selinux(bool enabled, const std::string& label, const std::string& pointer);

// OOM score, rlimits, scheduler, I/O priority and label: what needs /proc or rights that are given
// up later.
Status add_limits(Plan& plan, const oci::Process& process, bool selinux_enabled);

}  // namespace casemate::plan
