#include "hooks/image/parallel.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace casemate::image {

Status run_parallel(std::size_t count, unsigned threads,
                    const std::function<Status(std::size_t)>& task) {
  std::atomic<std::size_t> next = 0;
  std::atomic<bool> failed = false;
  std::mutex mutex;
  std::size_t first_index = count;
  Status first;
  const auto work = [&] {
    for (std::size_t i = next++; i < count && !failed; i = next++) {
      Status done = task(i);
      if (done) continue;
      failed = true;
      const std::lock_guard lock(mutex);
      if (i < first_index) {
        first_index = i;
        first = std::move(done);
      }
    }
  };
  std::vector<std::jthread> others;
  try {
    while (others.size() + 1 < std::min<std::size_t>(threads, count)) others.emplace_back(work);
  } catch (const std::system_error&) {
    // Fewer threads do the same work.
  }
  work();
  others.clear();  // joins
  return first;
}

}  // namespace casemate::image
