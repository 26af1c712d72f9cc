// execCPUAffinity.initial: the processors on which exec runs while it clones the process, so that
// the process begins there, before it is in the container's control group.
#pragma once

#include <cstdint>
#include <vector>

#include "shim/base/result.h"
#include "shim/sys/kernel.h"

namespace casemate::run {

class InitialAffinity {
 public:
  explicit InitialAffinity(sys::Kernel& kernel) : kernel_(kernel) {}
  // The calling thread runs on these from now on; the destructor goes back.
  Status enter(const std::vector<std::uint32_t>& cpus);
  ~InitialAffinity() {
    if (!before_.empty()) static_cast<void>(kernel_.sched_setaffinity(before_));
  }
  InitialAffinity(const InitialAffinity&) = delete;
  InitialAffinity& operator=(const InitialAffinity&) = delete;

 private:
  sys::Kernel& kernel_;
  std::vector<std::uint32_t> before_;
};

}  // namespace casemate::run
