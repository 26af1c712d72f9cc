// The commands that work on a container that exists.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "shim/base/json.h"
#include "shim/run/runtime.h"

namespace casemate::run {

// Lets init execute the container's program; its error when that is not possible.
Status start(Runtime& runtime, const std::string& id);

// The OCI state (runtime-spec "State"), from facts: is init alive?
Result<Json> state(Runtime& runtime, const std::string& id);

// `signal`: a number, or a name with or without SIG. `all`: every process of the container.
// bad_input "container.not-running" when init is dead (with `all` that is success, as engines
// expect).
Status kill(Runtime& runtime, const std::string& id, const std::string& signal, bool all);

// Removes a stopped container, and with `force` ends it first. Waits until its data is wiped. With
// `force` a container that does not exist is success.
Status remove(Runtime& runtime, const std::string& id, bool force);

struct Listed {
  std::string id;
  Json state;
  std::string created;
};
Result<std::vector<Listed>> list(Runtime& runtime);

// bad_input "signal.name".
Result<int> parse_signal(const std::string& text);

}  // namespace casemate::run
