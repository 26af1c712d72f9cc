// What the warden and its twin give up before they take anything over.
#pragma once

#include <sys/types.h>

#include <span>

#include "shim/base/result.h"
#include "shim/sys/kernel.h"

namespace casemate::warden {

// Own session, /, umask 077, no environment, no descriptor above `last_fd`, all signals blocked,
// not dumpable, OOM score -999 where permitted, no_new_privs, the few capabilities that the
// clean-up needs, and a seccomp filter that refuses new programs, other processes' memory,
// namespaces, kernel interfaces and every socket but AF_UNIX.
Status harden(sys::Kernel& kernel, int last_fd);

// Moves the processes into the leaf "casemate-wardens" of the hierarchies by which others kill or
// freeze whole groups (freezer, pids, devices, name=systemd, unified), so that the caller's or the
// job's end does not take the wardens along. The leaf is shared and stays. Hierarchies that are
// absent or refuse are passed over.
void join_warden_leaf(sys::Kernel& kernel, std::span<const pid_t> pids);

}  // namespace casemate::warden
