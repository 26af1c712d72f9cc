// Reads what the policy wants to know of this machine.
#pragma once

#include <string>
#include <vector>

#include "policy/host_facts.h"
#include "shim/base/result.h"
#include "shim/cgroup/hierarchy.h"
#include "shim/sys/kernel.h"

namespace casemate::run {

Result<policy::HostFacts> read_host_facts(sys::Kernel& kernel,
                                          const std::vector<cgroup::Hierarchy>& hierarchies);

// A label that was asked for as the kernel itself writes it: types have old names, and categories
// an order. bad_input selinux.label when the policy that is loaded does not know it. Nothing asked,
// or SELinux off (a matter of its own): the label as it is.
Result<std::string> canonical_label(const std::string& label, const std::string& pointer);

}  // namespace casemate::run
