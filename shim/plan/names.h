// The kernel's numbers for the names that config.json uses. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "shim/base/result.h"
#include "shim/oci/spec.h"

namespace casemate::plan {

// CAP_… names as a bit set (capabilities(7)).
Result<std::uint64_t> capability_bits(const std::vector<std::string>& names,
                                      const std::string& pointer);
// The same back; bits without a name are left out.
std::vector<std::string> capability_names(std::uint64_t bits);
// RLIMIT_… (getrlimit(2)).
Result<int> rlimit_number(const std::string& name);
// CLONE_NEW… (clone3(2)).
std::uint64_t clone_flag(oci::NamespaceType type);

}  // namespace casemate::plan
