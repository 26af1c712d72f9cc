// Notices that the kernel ended processes of a control group for want of memory: an eventfd on
// memory.oom_control (v1), an inotify watch on memory.events (v2).
#pragma once

#include <cstdint>
#include <string_view>

#include "shim/base/result.h"
#include "shim/base/unique_fd.h"
#include "shim/sys/kernel.h"

namespace casemate::cgroup {

class OomWatch {
 public:
  // `leaf`: the directory of the memory controller; copied.
  static Result<OomWatch> start(sys::Kernel& kernel, int leaf, bool v2);

  // Readable when there is something to take.
  int fd() const { return events_.get(); }
  // Whether there was one since the last call. The removal of the control group, which makes fd()
  // readable too, is none.
  Result<bool> take();

 private:
  OomWatch(sys::Kernel& kernel, bool v2) : kernel_(&kernel), v2_(v2) {}
  Status watch_v1();
  Status watch_v2();
  Result<bool> take_v1();
  Result<bool> take_v2();

  sys::Kernel* kernel_;
  bool v2_;
  UniqueFd leaf_;
  UniqueFd events_;
  std::uint64_t kills_ = 0;  // v2: oom_kill of memory.events when last looked at
};

// The number behind `key` in a file of lines "key number"; 0 when there is none. Pure.
std::uint64_t flat_number(std::string_view text, std::string_view key);

}  // namespace casemate::cgroup
