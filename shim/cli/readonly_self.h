// A container that gets hold of /proc/PID/exe of its runtime can overwrite the runtime on the host
// (CVE-2019-5736). So the runtime executes itself from a mount that is read-only and exists as a
// descriptor only: whoever opens that link for writing gets EROFS.
#pragma once

#include <string>
#include <vector>

#include "shim/base/result.h"
#include "shim/sys/kernel.h"

namespace casemate::cli {

// Returns, with the path of this program on the host, once it runs from a read-only mount. Until
// then it executes itself from one, with the path as argument 0 and everything else unchanged.
Result<std::string> run_from_readonly_mount(sys::Kernel& kernel,
                                            std::vector<std::string> arguments);

}  // namespace casemate::cli
