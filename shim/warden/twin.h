// The warden's twin: a fork that holds copies of everything and sleeps. It wakes when the warden
// hands something over or has died; then it ends the job and cleans up in the warden's place.
#pragma once

#include <span>

#include "shim/base/json.h"
#include "shim/base/result.h"
#include "shim/base/unique_fd.h"
#include "shim/sys/kernel.h"

namespace casemate::warden {

class Twin {
 public:
  // Forks (the caller must have one thread). In the twin this does not return; `cli_socket` is
  // closed there.
  static Result<Twin> fork(sys::Kernel& kernel, int cli_socket);

  // Hands over a message with copies of the descriptors and waits for the acknowledgement. An error
  // means that the twin is lost.
  Status forward(const Json& body, std::span<const int> fds);
  bool alive() const;
  // Everything is done: the twin lets go and ends; it is waited for (2 s) and reaped.
  void dismiss();

  pid_t pid() const { return pid_; }
  int pidfd() const { return pidfd_.get(); }

 private:
  Twin(sys::Kernel& kernel, UniqueFd channel, UniqueFd pidfd, pid_t pid)
      : kernel_(&kernel), channel_(std::move(channel)), pidfd_(std::move(pidfd)), pid_(pid) {}

  sys::Kernel* kernel_;
  UniqueFd channel_;
  UniqueFd pidfd_;
  pid_t pid_;
};

}  // namespace casemate::warden
