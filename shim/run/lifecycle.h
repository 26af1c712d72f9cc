// The commands that work on a container that exists.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "shim/base/json.h"
#include "shim/run/runtime.h"
#include "shim/warden/container_dir.h"

namespace casemate::run {

// Lets init execute the container's program, and runs the poststart hooks; init's error when the
// program cannot be executed. With a caller that waits for sd_notify(3) it waits until the
// container says that it is ready, or has ended, and passes that on.
Status start(Runtime& runtime, const std::string& id);
Status start_until_ready(Runtime& runtime, warden::ContainerDir& directory,
                         warden::WardenClient& warden);
// For the container that the caller has just created; does not wait.
Status start(Runtime& runtime, warden::ContainerDir& directory, warden::WardenClient& warden);

// The OCI state (runtime-spec "State"), from facts: is init alive?
Result<Json> state(Runtime& runtime, const std::string& id);

// `signal`: as parse_signal() reads it. SIGKILL ends a paused container too. `all`: every process
// of the container. bad_input "container.not-running" when init is dead (with `all` that is
// success, as engines expect).
Status kill(Runtime& runtime, const std::string& id, const std::string& signal, bool all);

// Waits until the container is wiped, whoever wipes it, lets `look` read what it left, runs the
// poststop hooks and removes the container's directory. Two may do so at once (run and delete): the
// second finds it gone, which is success.
Status settle(Runtime& runtime, warden::ContainerDir& directory,
              const std::function<Status()>& look);

// The same for a create that failed: nothing to look at, no hooks.
Status discard(Runtime& runtime, warden::ContainerDir& directory);

// Removes a stopped container, and with `force` ends it first. Waits until its data is wiped. With
// `force` a container that does not exist is success.
Status remove(Runtime& runtime, const std::string& id, bool force);

struct Listed {
  std::string id;
  Json state;
  std::string created;
};
Result<std::vector<Listed>> list(Runtime& runtime);

// A number, or a name in capitals or not, with or without SIG; also RTMIN, RTMIN+n, RTMAX, RTMAX-n
// as this host's C library counts them. bad_input "signal.name".
Result<int> parse_signal(const std::string& text);

}  // namespace casemate::run
