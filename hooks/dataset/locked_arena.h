// Memory for JSON that holds key material: jansson (and through it libjose) allocates here once
// use_locked_json() has been called. Secret memory (memfd_secret, or mlocked and not dumped), every
// block zeroed when freed, the whole wiped at exit of the process by the kernel.
#pragma once

#include <cstddef>

#include "shim/base/result.h"

namespace casemate::dataset {

// Points jansson's allocator at a locked arena of 1 MiB. Idempotent and thread-safe. Must be called
// before any other use of jansson in the process; afterwards every json_t lives in the arena, and a
// full arena makes jansson report "out of memory". The arena does not survive a fork: the child
// must not touch json_t values of its parent, and calls use_locked_json() first.
Status use_locked_json();

// Bytes in use, for tests.
std::size_t locked_json_in_use();
// True when `at` is inside the arena, for tests.
bool in_locked_arena(const void* at);

}  // namespace casemate::dataset
