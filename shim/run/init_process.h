// The container's first process between clone3(2) and execve(2), and what it says to its parent.
//
//   parent (create)                         init (in the new namespaces)
//    | id maps, hooks                        | joins its cgroup
//    |---------------- "g" ----------------->| joins namespaces, builds the container
//    |<------ A [[step, mount id], …] -------|
//    |                                       | confines itself
//    |<---------------- R -------------------|
//    | reads back /proc/PID, commits         |
//    x  (sync socket closes)                 | waits on the start socket, which the warden holds
//                             "g" ---------->| execve
//   E {error} instead of any message of init: it ends itself. The end of either socket ends init.
#pragma once

#include <chrono>
#include <span>
#include <vector>

#include "shim/apply/init_context.h"
#include "shim/run/joined_namespaces.h"

namespace casemate::run {

struct InitArguments {
  const plan::Plan& plan;
  apply::Prepared& prepared;
  std::vector<JoinedNamespace>& joined;    // those that nobody has entered for init
  std::span<const UniqueFd> cgroup_files;  // of Cgroup::open_for_self()
  Json state;                              // OCI state, for hooks
  int sync_socket = -1;
  int start_socket = -1;
  int console_socket = -1;
  int preserve_fds = 0;
  // The warden's socket and the life lock: while init held a copy, nobody would notice that the
  // parent has died.
  std::vector<int> not_for_init;
};

[[noreturn]] void run_init(sys::Kernel& kernel, const InitArguments& arguments);

// The parent's side of a message of init: 'A' or 'R' with its text, or init's error.
struct InitMessage {
  char kind = 0;
  std::string text;
};
// internal "init.deadline" when it says nothing for that long.
Result<InitMessage> receive_from_init(sys::Kernel& kernel, int sync_socket,
                                      std::chrono::milliseconds deadline);
Result<std::vector<apply::Attached>> parse_attached(const std::string& text);

}  // namespace casemate::run
