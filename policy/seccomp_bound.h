// The profile's own seccomp filter, as the data that a compiler of OCI filters takes.
#pragma once

#include <string_view>

#include "policy/profile.h"
#include "shim/oci/spec.h"

namespace casemate::policy {

// Default allow with denials on top: it is installed besides the container's own filter, and the
// stricter verdict wins. The architectures hold only the native one: the compiler must kill
// every other ABI (i386, x32).
oci::Seccomp seccomp_bound(const SeccompRules& rules);

// System calls without which nothing can start or be confined further (execve, exit_group, seccomp,
// capset …): no profile may deny them.
bool is_needed_syscall(std::string_view name);
bool is_known_syscall(std::string_view name);
bool is_known_socket_family(std::string_view name);

}  // namespace casemate::policy
