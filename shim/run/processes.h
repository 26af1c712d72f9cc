// ps: the processes of a container.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "shim/run/runtime.h"

namespace casemate::run {

// Process ids in the caller's pid namespace, sorted; none for a stopped container.
Result<std::vector<pid_t>> processes(Runtime& runtime, const std::string& id);

// Output of the host's ps(1) with these options (none: -ef): its heading and the lines of `pids`.
// internal "ps.failed" with what it said.
Result<std::string> process_table(sys::Kernel& kernel, const std::vector<pid_t>& pids,
                                  const std::vector<std::string>& options);

// The heading and those lines of a ps output whose column PID is one of `pids`. bad_input
// "ps.columns" without such a column, or with a line that has no number there. Pure.
Result<std::string> filter_table(std::string_view output, const std::vector<pid_t>& pids);

}  // namespace casemate::run
