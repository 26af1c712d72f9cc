// What SafeRoot and ProcFs share: openat2 with the rename race retried, and refusals that tell a
// hostile link from a missing file.
#pragma once

#include <cstdint>
#include <string>

#include "shim/base/result.h"
#include "shim/base/unique_fd.h"
#include "shim/sys/kernel.h"

namespace casemate::fs {

struct Resolution {
  std::uint64_t flags = 0;    // O_…
  std::uint64_t mode = 0;     // with O_CREAT only
  std::uint64_t resolve = 0;  // RESOLVE_…
};

// The kernel reports EAGAIN when somebody renames while ".." is resolved; after a bounded number of
// attempts that is an attack (denied "fs.race"). A link or mount that leads out, a magic link or a
// loop of links is denied "fs.link"; both keep errno. A path with NUL is bad_input "fs.path".
Result<UniqueFd> resolve(sys::Kernel& kernel, int dir, const std::string& path,
                         const Resolution& how);

}  // namespace casemate::fs
