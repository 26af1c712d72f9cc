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

#include "shim/cgroup/files.h"
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

constexpr std::string_view kCgroup = "/casemate-wardens";

Result<UniqueFd> open_leaf(sys::Kernel& kernel, const cgroup::Hierarchy& hierarchy) {
  return fs::make_directories(kernel, hierarchy.mount_point + std::string(kCgroup), 0755);
}

// The files of one leaf take the writer itself as "0". Of v1 that is the thread alone, which waits
// for nobody; of v2 there is only the whole process, which waits for an RCU grace period.
void join(sys::Kernel& kernel, const cgroup::Hierarchy& hierarchy) {
  if (hierarchy.v2 && hierarchy.root == kCgroup) return;  // born there
  const auto leaf = open_leaf(kernel, hierarchy);
  if (!leaf) return;
  const open_how how{.flags = O_WRONLY | O_CLOEXEC, .mode = 0, .resolve = 0};
  const auto file = kernel.openat2(leaf->get(), hierarchy.v2 ? "cgroup.procs" : "tasks", how);
  if (file) (void)kernel.write(file->get(), "0");
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

UniqueFd wardens_cgroup(sys::Kernel& kernel, const std::vector<cgroup::Hierarchy>& hierarchies) {
  const cgroup::Hierarchy* v2 = cgroup::find(hierarchies, "");
  if (v2 == nullptr) return {};
  auto leaf = open_leaf(kernel, *v2);
  if (!leaf) return {};
  // Who is born into a frozen group does not execute, and whoever waits for that waits for ever.
  const auto frozen = cgroup::read_file(kernel, leaf->get(), "cgroup.freeze");
  return frozen && cgroup::trim(*frozen) == "0" ? std::move(*leaf) : UniqueFd();
}

void join_wardens_cgroup(sys::Kernel& kernel) {
  const auto hierarchies = cgroup::read_hierarchies(kernel);
  if (!hierarchies) return;
  for (const auto& hierarchy : *hierarchies)
    if (kills_groups(hierarchy)) join(kernel, hierarchy);
}

}  // namespace casemate::warden
