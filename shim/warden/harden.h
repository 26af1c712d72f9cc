// What the warden and its twin give up before they take anything over.
#pragma once

#include <vector>

#include "shim/base/result.h"
#include "shim/base/unique_fd.h"
#include "shim/cgroup/hierarchy.h"
#include "shim/sys/kernel.h"

namespace casemate::warden {

// Own session, /, umask 077, no environment, no descriptor above `last_fd`, all signals blocked,
// not dumpable, OOM score -999 where permitted, no_new_privs, the few capabilities that the
// clean-up needs, and a seccomp filter that refuses new programs, other processes' memory,
// namespaces, kernel interfaces and every socket but AF_UNIX.
Status harden(sys::Kernel& kernel, int last_fd);

// The cgroup "casemate-wardens" in the hierarchies by which others kill or freeze whole groups
// (freezer, pids, devices, name=systemd, unified), so that the caller's or the job's end does not
// take the wardens along. It is shared and stays.

// The directory of the v2 hierarchy, made when absent, for CLONE_INTO_CGROUP; empty without one.
UniqueFd wardens_cgroup(sys::Kernel& kernel, const std::vector<cgroup::Hierarchy>& hierarchies);
// Moves the calling process, which has one thread. Hierarchies that are absent or refuse are passed
// over.
void join_wardens_cgroup(sys::Kernel& kernel);

}  // namespace casemate::warden
