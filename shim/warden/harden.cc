#include "shim/warden/harden.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <climits>

#include "shim/cgroup/hierarchy.h"
#include "shim/fs/host_file.h"
#include "shim/warden/filter.h"

namespace casemate::warden {
namespace {

constexpr std::uint64_t bit(unsigned capability) {
  return std::uint64_t{1} << capability;
}
// SYS_ADMIN: to make a mount writable and to unmount. KILL: the job's processes. The rest: the
// job's files, whoever owns them.
constexpr std::uint64_t kNeeded = bit(CAP_SYS_ADMIN) | bit(CAP_KILL) | bit(CAP_DAC_OVERRIDE) |
                                  bit(CAP_DAC_READ_SEARCH) | bit(CAP_FOWNER) |
                                  bit(CAP_LINUX_IMMUTABLE);

Result<std::uint64_t> permitted_capabilities() {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, 2> data{};
  if (::syscall(SYS_capget, &header, data.data()) != 0) return sys_error("capget");
  return data[0].permitted | (std::uint64_t{data[1].permitted} << 32);
}

void set_oom_score(sys::Kernel& kernel) {
  open_how how{};
  how.flags = O_WRONLY | O_CLOEXEC;
  const auto file = kernel.openat2(AT_FDCWD, "/proc/self/oom_score_adj", how);
  // Without CAP_SYS_RESOURCE the score may not be lowered: then the twin is what is left.
  if (file) (void)kernel.write(file->get(), "-999");
}

void join(sys::Kernel& kernel, const std::string& mount_point, std::span<const pid_t> pids) {
  const auto leaf = fs::make_directories(kernel, mount_point + "/casemate-wardens", 0755);
  if (!leaf) return;
  for (const pid_t pid : pids) {
    open_how how{};
    how.flags = O_WRONLY | O_CLOEXEC;
    const auto file = kernel.openat2(leaf->get(), "cgroup.procs", how);
    if (file) (void)kernel.write(file->get(), std::to_string(pid));
  }
}

bool kills_groups(const cgroup::Hierarchy& hierarchy) {
  return hierarchy.v2 || hierarchy.has("freezer") || hierarchy.has("pids") ||
         hierarchy.has("devices") || hierarchy.has("name=systemd");
}

}  // namespace

Status harden(sys::Kernel& kernel, int last_fd) {
  TRY(kernel.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0));
  const auto session = kernel.setsid();
  if (!session && session.error().sys_errno != EPERM) return session;  // EPERM: has one already
  TRY(kernel.umask(077));
  if (::chdir("/") != 0) return sys_error("chdir to /");
  if (::clearenv() != 0) return sys_error("clear the environment");
  TRY(kernel.close_range(static_cast<unsigned>(last_fd) + 1, UINT_MAX, 0));
  sigset_t all;
  sigfillset(&all);
  if (::sigprocmask(SIG_SETMASK, &all, nullptr) != 0) return sys_error("block the signals");
  set_oom_score(kernel);
  TRY(kernel.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  const std::uint64_t kept = TRY(permitted_capabilities()) & kNeeded;
  TRY(kernel.capset({.effective = kept, .permitted = kept, .inheritable = 0}));
  return kernel.seccomp_load(0, warden_filter());
}

void join_warden_leaf(sys::Kernel& kernel, std::span<const pid_t> pids) {
  const auto hierarchies = cgroup::read_hierarchies(kernel);
  if (!hierarchies) return;
  for (const auto& hierarchy : *hierarchies)
    if (kills_groups(hierarchy)) join(kernel, hierarchy.mount_point, pids);
}

}  // namespace casemate::warden
