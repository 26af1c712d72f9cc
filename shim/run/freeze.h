// pause and resume.
#pragma once

#include <string>

#include "shim/run/runtime.h"

namespace casemate::run {

// Stops every process of a created or running container; returns when all are frozen (internal
// "cgroup.freeze" otherwise, and none is then). bad_input "container.not-running" as runc words it,
// for a paused one too.
Status pause(Runtime& runtime, const std::string& id);

// bad_input "container.not-paused" unless it is.
Status resume(Runtime& runtime, const std::string& id);

// Whether SIGKILL waits to be taken by the process whose /proc/PID/status this is. Pure.
bool kill_pending(std::string_view status);

}  // namespace casemate::run
