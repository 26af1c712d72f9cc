// A further process of a running container between clone3(2) and execve(2), and what it says to its
// parent.
//
//   parent (exec)                           child (born in the container's pid namespace)
//    |                                       | joins its cgroup, then its namespaces
//    |                                       | limits, user, working directory, confinement
//    |<---------------- R -------------------|
//    | reads back /proc/PID, audit record    |
//    |---------------- "g" ----------------->| execve
//   E {error} instead of any message of the child: it ends itself. The end of the socket after "g"
//   means that execve has happened; before it, it ends the child.
//
// The child is not dumpable from its first instruction on: what runs in the container can neither
// trace it nor follow its descriptors (CVE-2016-9962).
#pragma once

#include <chrono>

#include "shim/apply/init_context.h"
#include "shim/plan/compile_exec.h"
#include "shim/run/exec_target.h"

namespace casemate::run {

struct ExecArguments {
  const plan::ExecPlan& plan;
  apply::Prepared& prepared;  // of plan.process
  const ExecTarget& target;
  int console_socket = -1;  // -1 without a terminal
  int preserve_fds = 0;
  std::chrono::milliseconds deadline{};  // until it stands; negative: none
};

struct ExecChild {
  pid_t pid = -1;
  UniqueFd pidfd;
  UniqueFd sync_socket;  // the child waits while it is open; closing it ends the child
};

// Clones the child and waits until it stands, read back. `child` is set as soon as there is one to
// be reaped. Leaves the calling process not dumpable.
Status launch_exec(sys::Kernel& kernel, const ExecArguments& arguments, ExecChild& child);

// Lets it execute its program; the child's error when it cannot.
Status release_exec(sys::Kernel& kernel, ExecChild& child, std::chrono::milliseconds deadline);

}  // namespace casemate::run
