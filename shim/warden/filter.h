// The warden's own seccomp program: small and known in advance, so no compiler is linked.
#pragma once

#include <linux/filter.h>

#include <span>

namespace casemate::warden {

// Refused calls fail with EPERM; another architecture's calls kill the process.
std::span<const sock_filter> warden_filter();

}  // namespace casemate::warden
