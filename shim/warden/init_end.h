// How init ended, for somebody who is not its parent.
#pragma once

#include <chrono>
#include <optional>

namespace casemate::warden {

// Exit code of the process of a pidfd, as a shell shows it (128 + signal), by
// PIDFD_GET_INFO(PIDFD_INFO_EXIT) of Linux 6.15. The kernel knows it once the parent has reaped the
// process: that is waited for until `patience` is over. Nothing on older kernels, or when the
// parent does not reap.
std::optional<int> exit_code_of(int pidfd, std::chrono::milliseconds patience);

}  // namespace casemate::warden
