// Work shared by a few threads.
#pragma once

#include <cstddef>
#include <functional>

#include "shim/base/result.h"

namespace casemate::image {

// Runs task(0) … task(count-1) on `threads` threads (the caller's is one of them), starting in that
// order. After a failure no new task starts; of several failures the lowest index is returned.
Status run_parallel(std::size_t count, unsigned threads,
                    const std::function<Status(std::size_t)>& task);

}  // namespace casemate::image
