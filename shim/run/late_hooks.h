// The hooks that run after create: poststart by `start`, poststop by `delete` (runtime-spec
// "Lifecycle", steps 10 and 14).
#pragma once

#include <string_view>

#include "shim/base/json.h"
#include "shim/plan/plan.h"
#include "shim/run/runtime.h"

namespace casemate::run {

// Runs the hooks of `phase` ("poststart", "poststop") that the stored plan names, in order, with
// `state` on their stdin. As the specification wants it, a hook that cannot run or fails is a
// warning (stderr, audit record "hook.failed") and the next one runs all the same.
void run_late_hooks(Runtime& runtime, std::string_view phase, const Json& plan, const Json& state);

// The phases that the plan has such hooks for; kept in state.json, since plans are long.
Json later_hooks(const plan::Plan& plan);

}  // namespace casemate::run
