// Confinement of the helper programs that parse untrusted bytes: what they need is named once,
// everything else is gone before the first byte is read. Only the calling process is touched, and
// nothing here can be undone. Call it before any thread is started.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "shim/base/result.h"

namespace casemate::confine {

struct Allowance {
  bool threads = false;             // clone() of threads of this process; never a new process
  bool read_files = false;          // open below descriptors, list, stat, read links and xattrs
  bool nobody = false;              // become uid and gid 65534 where the user namespace maps them
  std::uint64_t capabilities = 0;   // bit n keeps capability n (permitted and effective)
  std::uint64_t address_space = 0;  // RLIMIT_AS in bytes; 0 leaves it as it is
  std::uint64_t descriptors = 256;  // RLIMIT_NOFILE
  std::vector<int> also;            // further system calls, by number
};

// Core dumps off, not dumpable, no_new_privs, capabilities (bounding set included), resource limits
// and a seccomp allow-list: no exec, no sockets, no mounts, no executable mappings. A call that is
// not listed fails with EPERM. Errors: rule "confine.*", class internal; the caller must not go on.
Status confine(const Allowance& allowance);

// Landlock: from now on files are opened read-only, and only below these directories (descriptors,
// O_PATH will do). Returns false, and changes nothing, on a kernel without Landlock: the allow-list
// of confine() holds without it.
Result<bool> confine_reads(std::span<const int> directories);

}  // namespace casemate::confine
