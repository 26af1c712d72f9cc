// What is left to do when nobody is left to do it.
#pragma once

#include <chrono>

#include "shim/base/result.h"
#include "shim/sys/kernel.h"
#include "shim/warden/container_dir.h"

namespace casemate::warden {

// For a container whose warden and twin are both gone (kill -9 of both, out of memory): ends what
// still runs (init by pid and start time, the cgroups of holds.json), removes the cgroups, writes
// audit record and receipt, and journals WIPED. The held mounts died with their holders and their
// pages went back to the kernel without being overwritten by us: the receipt states "wiped": null.
// Does nothing when the container is WIPED already. internal "warden.alive" while somebody holds
// the life lock.
Status reconcile(sys::Kernel& kernel, ContainerDir& dir);

// What delete does before ContainerDir::remove(): waits until the container is WIPED and its
// wardens have ended, whoever does the work; reconciles when nobody is left. The container must be
// stopped or told to (WardenClient::kill). internal "warden.timeout" at the deadline. May be
// repeated; a container that was rolled back meanwhile is no error.
Status await_wiped(sys::Kernel& kernel, ContainerDir& dir, std::chrono::milliseconds deadline);

}  // namespace casemate::warden
