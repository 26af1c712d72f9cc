// The limits of a container as the plan stores them, and the part of them that `update` may change.
// Pure.
#pragma once

#include "shim/base/json.h"
#include "shim/base/result.h"
#include "shim/oci/spec.h"

namespace casemate::plan {

Json to_json(const oci::Resources& resources);

// What an update may change, out of the "resources" of a stored cgroup step: memory limit,
// reservation and swap, the CPU's, pids, the block IO weight, huge pages, RDMA and unified. All
// else stays empty. Errors when the text is none of ours.
Result<oci::Resources> changeable_resources(const Json& stored);

// The same fields of `resources` in place of the stored ones; the others are left alone.
// Precondition: changeable_resources(stored) succeeded.
void replace_changeable(Json& stored, const oci::Resources& resources);

}  // namespace casemate::plan
