// Holds the digests that the host configuration gives for hook programs against the programs.
#pragma once

#include "shim/apply/host_paths.h"
#include "shim/oci/spec.h"
#include "shim/run/runtime.h"

namespace casemate::run {

// For every hook whose program the host configuration lists with a sha256: denied "hooks.digest"
// when the program is another one. A digest is computed once and remembered for (device, inode,
// change time, size): nobody can change the file and keep these.
Status check_hook_digest(Runtime& runtime, const oci::Hook& hook, const apply::HostPaths& paths);
// The same for all hooks that are programs of the host.
Status check_hook_digests(Runtime& runtime, const oci::Spec& spec, const apply::HostPaths& paths);

}  // namespace casemate::run
