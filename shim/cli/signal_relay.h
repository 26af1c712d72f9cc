// What a command does while it waits in the foreground: signals go on to the container's process,
// and so do the bytes of a terminal that this command holds; that it is ready goes to the caller.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include "shim/base/unique_fd.h"
#include "shim/cli/terminal.h"
#include "shim/run/notify.h"

namespace casemate::cli {

class SignalRelay {
 public:
  // From now on signals wait for wait(). Made before the process runs, so that none is lost.
  SignalRelay();

  // The process' exit status as a shell shows it. Precondition: it is a child of the caller.
  int wait(pid_t child, Terminal* terminal = nullptr, run::NotifySocket* notify = nullptr);

 private:
  // Reads one signal that is there; true when it may have been the child's end.
  bool relay_one(pid_t child, Terminal* terminal);
  sigset_t signals_{};
  UniqueFd descriptor_;  // signalfd(2)
};

}  // namespace casemate::cli
