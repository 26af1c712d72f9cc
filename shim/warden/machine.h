// The life of a container as a pure state machine (docs/ARCHITECTURE.md, "Two machines").
//
//   NEW -> VERIFIED -> STAGED -> CREATED -> RUNNING -> STOPPED -> WIPED -> DELETED
//    \________\_________\__________\__________________^   any failure takes the same way down
#pragma once

#include <optional>
#include <string_view>

namespace casemate::warden {

enum class State { fresh, verified, staged, created, running, stopped, wiped, deleted };

std::string_view to_string(State state);  // "NEW", "VERIFIED", …
std::optional<State> state_from_string(std::string_view name);

// Whether `to` may directly follow `from`. A state never follows itself.
bool may_follow(State from, State to);
// Whether `state` is `target` or lies after it on the way.
bool reached(State state, State target);

// OCI runtime-spec status: creating, created, running or stopped. Facts win over the journal: a
// created or running container whose init is dead is stopped.
std::string_view oci_status(State state, bool init_alive);

}  // namespace casemate::warden
