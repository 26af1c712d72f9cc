// OCI hooks (runtime-spec "POSIX-platform Hooks"): programs executed by descriptor, with an empty
// environment unless the configuration gives one (CVE-2025-23266).
#pragma once

#include <string>
#include <vector>

#include "shim/apply/host_paths.h"
#include "shim/apply/init_context.h"
#include "shim/oci/spec.h"
#include "shim/sys/kernel.h"

namespace casemate::apply {

// Runs one hook to its end with the container's state on stdin. internal "hook.failed" with the
// last words it said, "hook.timeout" when it took longer than it may (it is killed).
Status run_hook(sys::Kernel& kernel, const oci::Hook& hook, int program,
                const std::string& state_json);

// The hooks of one phase, in order, in the caller's namespaces.
Status run_hooks(sys::Kernel& kernel, const std::vector<oci::Hook>& hooks, const HostPaths& paths,
                 const std::string& state_json);

// createContainer: in the container's namespaces, before pivot_root(2), with programs of the host
// that the parent opened.
Status run_create_hooks(InitContext& context, const plan::RunHooks& step, std::size_t index);

// startContainer: programs of the container, with its root, user, capabilities and filters. What
// the filters do not let init do (memfd_create, clone, execveat, waitid) fails the start.
Status run_start_hooks(InitContext& context);

}  // namespace casemate::apply
