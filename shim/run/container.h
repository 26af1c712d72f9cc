// A container that exists, as the commands about it find it: its directory, its state from facts,
// its control group.
#pragma once

#include <string>

#include "shim/base/json.h"
#include "shim/cgroup/cgroup.h"
#include "shim/run/runtime.h"
#include "shim/warden/container_dir.h"

namespace casemate::run {

// bad_input "container.unknown" when there is none under this --root.
Result<warden::ContainerDir> find_container(Runtime& runtime, const std::string& id);

// Whether its create died, and its warden has undone it: there is nothing but a unit of systemd's
// to be ended.
bool was_undone(Runtime& runtime, warden::ContainerDir& directory);

// creating, created, running or stopped: whether a living one is paused is not looked at.
Result<std::string> status_by(Runtime& runtime, warden::ContainerDir& directory,
                              const warden::StateRecord& record);

// The OCI state; its status is creating, created, running, paused or stopped.
Result<Json> state_of(Runtime& runtime, warden::ContainerDir& directory);

std::unexpected<Error> wrong_state(const std::string& id, const std::string& status,
                                   const char* wanted);
// bad_input "container.not-running"; engines look for its words.
std::unexpected<Error> not_running(const std::string& id, const std::string& why);

// The control group that create() made for the container, and no other that took its path since.
Result<cgroup::Cgroup> cgroup_of(Runtime& runtime, warden::ContainerDir& directory);

// A text in JSON that was stored; empty when it is absent or none.
std::string text_at(const Json& stored, const char* key);

// A container that has a first process, for a command that must be the only one to change it.
struct Locked {
  warden::ContainerDir directory;
  UniqueFd lock;
  Json state;
};
// bad_input "container.not-running" for one that has ended; "container.state" while it is created.
Result<Locked> lock_living(Runtime& runtime, const std::string& id);

}  // namespace casemate::run
