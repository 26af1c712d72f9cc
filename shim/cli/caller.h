// What the caller of the runtime passes on by its environment, for the container (systemd.exec(5)).
#pragma once

#include <string>

#include "shim/base/result.h"

namespace casemate::cli {

// Where the caller waits to hear that the container is ready (sd_notify(3)); empty: nowhere.
std::string notify_socket();

// How many descriptors from 3 on are listening sockets for the container (sd_listen_fds(3)). 0 when
// they are not meant for this process. bad_input "cli.listen-fds" for what is no number.
Result<int> listen_fds();

}  // namespace casemate::cli
