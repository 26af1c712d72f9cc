// create: NEW -> VERIFIED -> STAGED -> CREATED. Either the container stands and its warden holds
// it, or nothing is left of the attempt.
#pragma once

#include "shim/run/admission.h"
#include "shim/run/runtime.h"
#include "shim/warden/container_dir.h"
#include "shim/warden/protocol.h"

namespace casemate::run {

struct Created {
  warden::ContainerDir directory;
  warden::WardenClient warden;
  pid_t pid = -1;
  UniqueFd terminal;  // master, with CreateRequest::own_terminal and a terminal asked for
};

// Refusals are in the audit log when this returns. The caller is init's and the warden's parent and
// may leave them to its subreaper.
Result<Created> create(Runtime& runtime, const CreateRequest& request);

}  // namespace casemate::run
