// Where the master of a new terminal goes: to the caller's --console-socket, or to this command,
// which then relays the terminal itself.
#pragma once

#include <string>

#include "shim/base/result.h"
#include "shim/base/unique_fd.h"
#include "shim/sys/kernel.h"

namespace casemate::run {

struct ConsoleRequest {
  bool terminal = false;
  std::string socket;  // path; empty: none
  bool own = false;    // without a socket this command takes the terminal
};

struct Console {
  UniqueFd socket;  // the container's process sends the master here; empty without a terminal
  UniqueFd own;     // our end of it; empty when `socket` leads to the caller
};

// bad_input or unsupported "console.socket" when terminal and socket do not fit.
Result<Console> open_console(sys::Kernel& kernel, const ConsoleRequest& request);

// The master, once the process stands. Precondition: console.own.
Result<UniqueFd> receive_terminal(sys::Kernel& kernel, const Console& console);

}  // namespace casemate::run
