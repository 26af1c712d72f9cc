// Namespaces belong to the user namespace in which they are made, and who has entered one has lost
// the host's rights. So a container that joins some namespaces and has a user namespace, joined or
// new, is made by a process in between:
//
//   runtime (host)          intermediate                      init
//    |---- clone3 ------------>| joins, the user namespace last
//    |                         |---- clone3(CLONE_PARENT) ----->| a child of the runtime, too
//    |<------ its pidfd -------|                                |
//    |  waits for its end      x                                |
//
// It holds what the runtime holds, among processes that may have every right in the namespaces it
// enters: it is not dumpable from its first instruction on, and neither is init (CVE-2016-9962).
#pragma once

#include <chrono>
#include <span>

#include "shim/run/joined_namespaces.h"

namespace casemate::run {

// Joins all of `joined` (which is empty in init then) and makes init with `flags` (CLONE_NEW…) in
// the cgroup v2 folder, or -1. Returns twice, as Kernel::clone3; leaves the caller not dumpable.
// `not_for_init` is closed in the intermediate, so it is in init, too. The intermediate is killed
// when it has not answered by the deadline: a frozen or stopped one would not.
struct IntermediateArguments {
  std::vector<JoinedNamespace>& joined;
  std::uint64_t flags = 0;
  int v2_cgroup = -1;
  std::span<const int> not_for_init;
  std::chrono::milliseconds deadline;
};
Result<sys::Child> clone_through_intermediate(sys::Kernel& kernel,
                                              const IntermediateArguments& arguments);

}  // namespace casemate::run
