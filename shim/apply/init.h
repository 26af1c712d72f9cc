// Executes the steps of a Plan that belong to init, in the container's new namespaces.
#pragma once

#include "shim/apply/init_context.h"

namespace casemate::apply {

// All steps of init before its own confinement (filters and capabilities). On error the caller
// reports and exits: everything done so far dies with the namespaces.
Status build_container(InitContext& context);

// The steps that confine init itself. Afterwards only the system calls that prepare.cc lists are
// certain to work.
Status confine_init(InitContext& context);

// The caller's last acts, once the container is started: the startContainer hooks, and then the
// program that was looked up replaces the process. Returns why it did not.
Error execute(InitContext& context);

}  // namespace casemate::apply
