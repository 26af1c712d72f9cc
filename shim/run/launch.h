// launch: clones init into its namespaces, gives it its ids and cgroup, waits until the container
// is built and reads it back; meanwhile it stores the plan. Nothing of the image has run when it
// returns.
#pragma once

#include "shim/apply/init_context.h"
#include "shim/cgroup/cgroup.h"
#include "shim/run/admission.h"
#include "shim/run/unit.h"
#include "shim/warden/container_dir.h"
#include "shim/warden/protocol.h"

namespace casemate::run {

struct Launched {
  pid_t pid = -1;
  UniqueFd pidfd;
  UniqueFd sync_socket;  // init waits while it is open; closing it before commit ends init
  UniqueFd terminal;     // master, when the caller asked for it (CreateRequest::own_terminal)
};

// The warden holds init from the moment it exists. On error init is dead or dying; the caller drops
// the warden, who cleans up. `pid` is set as soon as there is an init to be reaped. `job`'s keeper
// goes when init is in its place.
Result<Launched> launch(Runtime& runtime, Admission& admission, apply::Prepared prepared,
                        JobCgroup& job, warden::ContainerDir& directory,
                        warden::WardenClient& warden, pid_t& pid);

// The OCI state (runtime-spec "State") that hooks read.
Json oci_state(const Admission& admission, std::string_view status, pid_t pid);

}  // namespace casemate::run
