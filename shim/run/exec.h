// exec: a further program in a running container. Asked process + profile + facts -> Decision ->
// Plan -> apply -> read back, as for create; the filters, the namespaces and the ceiling are those
// of the container's stored plan.
#pragma once

#include "shim/run/exec_process.h"
#include "shim/run/exec_request.h"
#include "shim/run/runtime.h"

namespace casemate::run {

struct Exec {
  ExecChild child;    // a child of the caller, who waits for it or leaves it to its subreaper
  UniqueFd terminal;  // master, with ExecRequest::own_terminal and a terminal asked for
};

// The process stands, confined and read back, and waits for start_exec(); dropping it ends it.
// Refusals, and what is about to run, are in the audit log when this returns.
Result<Exec> prepare_exec(Runtime& runtime, const ExecRequest& request);

// Its program replaces it; then the pid file is written. On error the process is dead.
Status start_exec(Runtime& runtime, const ExecRequest& request, Exec& exec);

}  // namespace casemate::run
