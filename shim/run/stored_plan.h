// The container's plan.json and its digest in state.json. An update replaces both, and may be
// killed or seen between the two: state.json names the next plan before plan.json becomes it.
#pragma once

#include <string>

#include "shim/base/result.h"
#include "shim/warden/container_dir.h"

namespace casemate::run {

// The text that create or the last update stored. internal "plan.stored" when it is another.
// For those who hold the container's lock:
Result<std::string> stored_plan(warden::ContainerDir& directory, const warden::StateRecord& record);
// For those who do not: takes the lock for a moment when an update may be at work.
Result<std::string> stored_plan_unlocked(warden::ContainerDir& directory,
                                         const warden::StateRecord& record);

// Under the container's lock. `before` and `after` are texts of a plan, and plan.json is one of
// them. Killed at any moment, it leaves files that hold together.
Status replace_plan(warden::ContainerDir& directory, const std::string& before,
                    const std::string& after);

}  // namespace casemate::run
