// The security facts of /proc/PID/status (proc(5)).
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "shim/base/result.h"
#include "shim/fs/proc_fs.h"

namespace casemate::apply {

struct ProcStatus {
  std::array<std::uint32_t, 4> uids{};  // real, effective, saved, file system
  std::array<std::uint32_t, 4> gids{};
  std::vector<std::uint32_t> groups;
  std::uint64_t cap_inheritable = 0, cap_permitted = 0, cap_effective = 0, cap_bounding = 0,
                cap_ambient = 0;
  bool no_new_privileges = false;
  std::uint32_t umask = 0;
  pid_t pid = 0;      // in the pid namespace of the reader
  pid_t session = 0;  // in the same
  int seccomp_mode = 0;
  int seccomp_filters = 0;
};

// Pure. internal "proc.status" when a line is missing or malformed.
Result<ProcStatus> parse_status(std::string_view text);
// `process` is "self" or a pid.
Result<ProcStatus> read_status(const fs::ProcFs& proc, std::string_view process);

}  // namespace casemate::apply
