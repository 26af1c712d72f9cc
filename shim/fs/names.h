// What is in a folder, by its descriptor.
#pragma once

#include <string>
#include <vector>

#include "shim/base/result.h"
#include "shim/sys/kernel.h"

namespace casemate::fs {

// At most `most` names but "." and "..", in no order. `directory` may be O_PATH: it is opened anew,
// for the position of a shared descriptor would move.
Result<std::vector<std::string>> names_in(sys::Kernel& kernel, int directory, std::size_t most);

}  // namespace casemate::fs
