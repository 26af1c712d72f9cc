// compile_exec: a further process of a running container as steps. Pure.
#pragma once

#include <sys/types.h>

#include <string>

#include "shim/base/result.h"
#include "shim/oci/spec.h"
#include "shim/plan/plan.h"

namespace casemate::plan {

struct ExecInputs {
  std::string id;  // container id; names the keyring
  // Prefix of the links to init's namespaces, "/proc/PID/ns/"; read by the read-back alone.
  std::string namespaces;
  bool selinux_enabled = false;
  std::string personality;  // as decided; empty: the caller's
};

struct ExecPlan {
  // With the host's rights and the container's mounts: limits and label.
  Plan before_user;
  // In the container's user namespace, when it has one: who it is and what it runs.
  Plan process;

  Plan whole() const;  // both in order, for the read-back and the audit record
};

// `process` has been through policy::decide_exec; `stored` is load_process_steps() of the
// container's plan: its namespaces and filters are the new process' too.
Result<ExecPlan> compile_exec(const oci::Process& process, const Plan& stored,
                              const ExecInputs& inputs);

}  // namespace casemate::plan
