#include "hooks/dataset/parallel.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <vector>

namespace casemate::dataset {

unsigned usable_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return static_cast<unsigned>(std::max(CPU_COUNT(&set), 1));
}

unsigned threads_for(unsigned threads, std::size_t items) {
  const unsigned wanted = threads == 0 ? usable_cpus() : threads;
  return static_cast<unsigned>(std::clamp<std::size_t>(items, 1, wanted));
}

Status for_each_item(std::size_t items, unsigned threads,
                     const std::function<Status(unsigned, std::size_t)>& work) {
  std::atomic<std::size_t> next = 0;
  std::atomic<bool> failed = false;
  std::mutex mutex;
  std::optional<Error> first;
  const auto loop = [&](unsigned worker) {
    while (!failed) {
      const std::size_t item = next++;
      if (item >= items) return;
      Status done = work(worker, item);
      if (done) continue;
      const std::lock_guard lock(mutex);
      if (!first) first = std::move(done.error());
      failed = true;
    }
  };
  std::vector<std::jthread> pool;
  const unsigned count = threads_for(threads, items);
  for (unsigned worker = 1; worker < count; ++worker) {
    try {
      pool.emplace_back(loop, worker);
    } catch (const std::system_error&) {
      break;  // the process limit is reached: fewer threads do the same work
    }
  }
  loop(0);
  pool.clear();  // joins
  if (first) return std::unexpected(std::move(*first));
  return {};
}

}  // namespace casemate::dataset
