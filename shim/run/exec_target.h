// The running container that a further process is to join: found, verified to live, and held by
// descriptors, so that no number used again can lead elsewhere.
#pragma once

#include <map>
#include <string>

#include "shim/cgroup/cgroup.h"
#include "shim/oci/spec.h"
#include "shim/plan/plan.h"
#include "shim/run/runtime.h"

namespace casemate::run {

struct ExecTarget {
  pid_t init = -1;
  UniqueFd init_pidfd;
  std::string profile;  // name of the profile it was created under
  plan::Plan stored;    // plan::load_process_steps() of its plan
  oci::Spec spec;       // plan::spec_of() of these
  cgroup::Cgroup cgroup;
  std::vector<cgroup::Hierarchy> hierarchies;
};

// bad_input "container.unknown", "container.not-running" (a stopped one), "container.state" (one
// that is being made), "container.paused" unless `ignore_paused`; internal "plan.stored" when the
// stored plan is not the one that was applied.
// `below`: the control groups below the container's that the process joins, of parse_subgroups();
// they too must not be frozen.
Result<ExecTarget> find_exec_target(Runtime& runtime, const std::string& id,
                                    const std::map<std::string, std::string>& below,
                                    bool ignore_paused);

std::unexpected<Error> stopped_container(const std::string& id);

// Whether init still lives, by its pidfd.
bool init_lives(const ExecTarget& target);

}  // namespace casemate::run
