// Work shared by threads.
#pragma once

#include <functional>

#include "shim/base/result.h"

namespace casemate::dataset {

// CPUs this process may use, at least 1.
unsigned usable_cpus();

// Calls work(worker, item) for every item below `items`, on `threads` threads (0: usable_cpus()),
// the calling thread among them; `worker` is below the returned-by-threads_for() number. Stops at
// the first error, which is returned.
unsigned threads_for(unsigned threads, std::size_t items);
Status for_each_item(std::size_t items, unsigned threads,
                     const std::function<Status(unsigned worker, std::size_t item)>& work);

}  // namespace casemate::dataset
