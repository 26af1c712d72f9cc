// The stored plan of a container (plan.json), read back for what later commands need of it.
// config.json is never read again: what is not in the plan is not known.
#pragma once

#include "shim/base/json.h"
#include "shim/base/result.h"
#include "shim/oci/spec.h"
#include "shim/plan/plan.h"

namespace casemate::plan {

// The steps that bind a further process of the container, in their order: namespaces, id maps, OOM
// score, rlimits, label, no_new_privs, filters, credentials, capabilities, working directory and
// what was executed. The others are left out. internal "plan.stored" unless every step that was
// read writes itself back exactly as it was stored.
Result<Plan> load_process_steps(const Json& plan);

// Those steps as the bounded spec of policy::decide_exec(): process, namespaces and id mappings.
oci::Spec spec_of(const Plan& stored);

}  // namespace casemate::plan
