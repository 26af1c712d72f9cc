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

#include "shim/run/joined_namespaces.h"

namespace casemate::run {

// Joins all of `joined` (which is empty in init then) and makes init with `flags` (CLONE_NEW…) in
// the cgroup v2 folder, or -1. Returns twice, as Kernel::clone3; leaves the caller not dumpable.
Result<sys::Child> clone_through_intermediate(sys::Kernel& kernel,
                                              std::vector<JoinedNamespace>& joined,
                                              std::uint64_t flags, int v2_cgroup);

}  // namespace casemate::run
