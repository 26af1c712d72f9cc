// Whose files an idmapped mount shows, as the kernel itself says it (statmount(2)).
#pragma once

#include <sys/types.h>

#include "shim/fs/safe_root.h"
#include "shim/plan/check.h"

namespace casemate::apply {

// Adds to `out.idmaps` the mappings of those idmapped mounts of the plan to which their path in the
// container leads. `root` is the root of the container, `process` one that is in its mount
// namespace. A kernel that does not tell (before Linux 6.15) leaves them out.
Status observe_idmaps(const fs::SafeRoot& root, const plan::Plan& plan, pid_t process,
                      plan::Observed& out);

}  // namespace casemate::apply
