// The OCI configuration's words in libseccomp's numbers.
#pragma once

#include <seccomp.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "shim/base/result.h"

namespace casemate::seccomp {

// SCMP_ACT_… with its errno (default EPERM) in the data. `pointer` goes into the errors.
Result<std::uint32_t> parse_action(std::string_view name, std::optional<std::uint32_t> errno_ret,
                                   const std::string& pointer);
Result<scmp_compare> parse_operator(std::string_view name, const std::string& pointer);
// SCMP_ARCH_… token.
Result<std::uint32_t> parse_architecture(std::string_view name, const std::string& pointer);

}  // namespace casemate::seccomp
