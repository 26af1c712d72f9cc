// The warden's socket "control" in the container's directory. The path of a directory may be longer
// than a socket address, so it is named through /proc/self/fd; never an abstract socket
// (CVE-2020-15257).
#pragma once

#include "shim/base/result.h"
#include "shim/base/unique_fd.h"

namespace casemate::warden {

// Listening, mode 0600; a socket that a dead warden left is replaced.
Result<UniqueFd> listen_control(int container_dir);
// internal "warden.gone" when nobody listens.
Result<UniqueFd> connect_control(int container_dir);
// The next connection, if its peer is uid 0 (SO_PEERCRED); others get an empty descriptor.
Result<UniqueFd> accept_root(int listener);

}  // namespace casemate::warden
