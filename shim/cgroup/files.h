// Reading, writing and walking below a directory descriptor of a cgroup file system.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "shim/base/result.h"
#include "shim/base/unique_fd.h"
#include "shim/sys/kernel.h"

namespace casemate::cgroup {

// Pieces between separators; empty pieces are kept.
std::vector<std::string_view> split(std::string_view text, char separator);
// Pieces between white space; no empty ones.
std::vector<std::string_view> words(std::string_view text);
std::string_view trim(std::string_view text);

// O_PATH of an absolute path of the host.
Result<UniqueFd> open_mount_point(sys::Kernel& kernel, const std::string& path);
// internal "cgroup.magic" unless the descriptor is on a cgroup (v1 or v2) file system.
Status check_magic(int fd, bool v2, const std::string& path);

// Below `dir`: no symbolic link, no mount is crossed.
Result<UniqueFd> open_below(sys::Kernel& kernel, int dir, const std::string& path, int flags);
// The whole text; internal "cgroup.large" beyond 4 MiB.
Result<std::string> read_file(sys::Kernel& kernel, int dir, const std::string& name);
// One write(2), as the kernel wants it.
Status write_file(sys::Kernel& kernel, int dir, const std::string& name, std::string_view value);

// Names of the directories in `dir`.
Result<std::vector<std::string>> child_directories(sys::Kernel& kernel, int dir);
// Calls `visit` with a readable descriptor of `dir` and of every directory below it. Directories
// that vanish meanwhile are passed over. internal "cgroup.depth" below 200 levels.
Status walk(sys::Kernel& kernel, int dir, const std::function<Status(int)>& visit);
// rmdir of everything below `dir`, innermost first; one pass, the error of the first failure.
Status remove_children(sys::Kernel& kernel, int dir);

}  // namespace casemate::cgroup
