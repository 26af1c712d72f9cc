// Reads what the policy wants to know of this machine.
#pragma once

#include <vector>

#include "policy/host_facts.h"
#include "shim/base/result.h"
#include "shim/cgroup/hierarchy.h"
#include "shim/sys/kernel.h"

namespace casemate::run {

Result<policy::HostFacts> read_host_facts(sys::Kernel& kernel,
                                          const std::vector<cgroup::Hierarchy>& hierarchies);

}  // namespace casemate::run
