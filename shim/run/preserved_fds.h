// --preserve-fds N, or LISTEN_FDS=N: descriptors 3 to 3 + N - 1 go on to the container's program.
#pragma once

#include <vector>

#include "policy/profile.h"
#include "shim/base/result.h"

namespace casemate::run {

std::vector<int> preserved_fds(int count);

// Asked before anything is opened: what is not open by now would be a descriptor of ours.
// bad_input "process.preserve-fds".
Status check_preserved_open(int count);

// A verified job gets its data by its dataset and its results by its own root: not by descriptors.
// denied "process.preserve-fds".
Status check_preserved_allowed(int count, const policy::Profile& profile);

}  // namespace casemate::run
