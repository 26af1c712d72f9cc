// Starts a helper's process: nothing of the caller's but one socket goes with it.
#pragma once

#include <span>
#include <string>

#include "shim/base/result.h"
#include "shim/base/unique_fd.h"
#include "shim/sys/frame.h"

namespace casemate::sys {

// A child process that cannot outlive this object: it is killed and reaped on destruction.
class ChildProcess {
 public:
  // `program` is an absolute path; `socket` becomes its descriptor 3. PDEATHSIG is SIGKILL, signals
  // are at their defaults and not blocked. To each of `cgroups` (open "tasks" or "cgroup.procs")
  // the child writes itself. internal "helper.start" when one of these or execve refuses.
  static Result<ChildProcess> start(const std::string& program, int socket,
                                    std::span<const int> cgroups = {});
  ChildProcess(ChildProcess&&) noexcept = default;
  ChildProcess& operator=(ChildProcess&&) = delete;
  ~ChildProcess();

  int pidfd() const { return pidfd_.get(); }
  // Waits for the end and reaps: the exit status, or 128 + the signal that ended it.
  Result<int> wait(Deadline deadline);

 private:
  explicit ChildProcess(UniqueFd pidfd) : pidfd_(std::move(pidfd)) {}
  UniqueFd pidfd_;  // empty once reaped
};

}  // namespace casemate::sys
