// What the parent makes ready before init exists: everything that is named by a path of the host.
#pragma once

#include <map>
#include <string>

#include "shim/apply/host_paths.h"
#include "shim/apply/init_context.h"
#include "shim/cgroup/cgroup.h"

namespace casemate::apply {

struct PrepareInputs {
  const HostPaths& paths;  // root, bind sources and hooks, opened
  const std::vector<cgroup::Hierarchy>& hierarchies;
  const cgroup::Cgroup& cgroup;              // the container's, already made
  std::map<std::string, UniqueFd> datasets;  // id -> detached read-only mount; taken over
  int notify = -1;         // folder of the socket for sd_notify(3), when the plan mounts it
  int seccomp_cache = -1;  // directory descriptor, see seccomp/cache.h
};

// Opens, clones and compiles. Changes nothing on the host. Errors name the step.
Result<Prepared> prepare(sys::Kernel& kernel, const plan::Plan& plan, PrepareInputs inputs);

}  // namespace casemate::apply
