// update: other limits for a running container. The plan that was applied is what is changed; the
// profile bounds the result as it bounds a create; all of it takes effect, or nothing.
#pragma once

#include <string>
#include <string_view>

#include "policy/decision.h"
#include "shim/oci/spec.h"
#include "shim/run/runtime.h"

namespace casemate::run {

// What the policy made of it; its tightenings are worth a word to the caller. Errors: denied by a
// rule of the profile, bad_input, unsupported; "cgroup.*" when the kernel refuses, the hint then
// says which limits stand.
Result<policy::Decision> update(Runtime& runtime, const std::string& id,
                                const oci::Resources& asked);

// A JSON document with linux.resources' members: a file of the host, or "-" for standard input.
Result<oci::Resources> read_resources(Runtime& runtime, const std::string& path);

}  // namespace casemate::run
