// casectl audit verify. Prints its result to stdout and returns why it failed.
#pragma once

#include <span>
#include <string_view>

#include "shim/base/result.h"

namespace casemate::ctl {

// audit verify FILE
// denied "audit.…" (shim/evidence/audit.h), naming the line of the first problem, unless the whole
// chain holds.
Status audit_verify(std::span<const std::string_view> args);

}  // namespace casemate::ctl
