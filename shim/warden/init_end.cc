#include "shim/warden/init_end.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include <cstdint>

namespace casemate::warden {
namespace {

// struct pidfd_info of linux/pidfd.h (6.15), first version: Debian 12's headers do not have it.
struct PidfdInfo {
  std::uint64_t mask;
  std::uint64_t cgroupid;
  std::uint32_t pid, tgid, ppid;
  std::uint32_t ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
  std::int32_t exit_code;
};
static_assert(sizeof(PidfdInfo) == 64);

constexpr std::uint64_t kInfoExit = 1u << 3;
constexpr unsigned long kGetInfo = _IOWR(0xFF, 11, PidfdInfo);

}  // namespace

std::optional<int> exit_code_of(int pidfd, std::chrono::milliseconds patience) {
  PidfdInfo info{.mask = kInfoExit};
  if (::ioctl(pidfd, kGetInfo, &info) != 0 || (info.mask & kInfoExit) == 0) {
    pollfd reaped{.fd = pidfd, .events = 0, .revents = 0};  // POLLHUP comes unasked
    if (::poll(&reaped, 1, static_cast<int>(patience.count())) <= 0) return std::nullopt;
    info = PidfdInfo{.mask = kInfoExit};
    if (::ioctl(pidfd, kGetInfo, &info) != 0 || (info.mask & kInfoExit) == 0) return std::nullopt;
  }
  if (WIFEXITED(info.exit_code)) return WEXITSTATUS(info.exit_code);
  if (WIFSIGNALED(info.exit_code)) return 128 + WTERMSIG(info.exit_code);
  return std::nullopt;
}

}  // namespace casemate::warden
