// What a new process has from the one that made it and must not keep.
#pragma once

#include <vector>

#include "shim/base/result.h"
#include "shim/sys/kernel.h"

namespace casemate::sys {

// Closes everything from descriptor 3 on that is not in `keep` (CVE-2024-21626).
Status close_all_but(Kernel& kernel, std::vector<int> keep);

// All signals at their defaults, none blocked. Async-signal-safe.
void reset_signals();

}  // namespace casemate::sys
