// Random texts for names that must be nobody else's.
#pragma once

#include <cstddef>
#include <string>

#include "shim/base/result.h"

namespace casemate::sys {

// As many bytes of getrandom(2) in hexadecimal; at most 256, which a signal cannot cut short.
Result<std::string> random_hex(std::size_t bytes);

}  // namespace casemate::sys
