// Namespaces, identity and processes.
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shim/sys/real_kernel.h"
#include "shim/sys/syscall.h"

namespace casemate::sys {
namespace {

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> out;
  out.reserve(texts.size() + 1);
  for (const auto& text : texts) out.push_back(const_cast<char*>(text.c_str()));
  out.push_back(nullptr);
  return out;
}

}  // namespace

Result<Child> RealKernel::clone3(const CloneArgs& args) {
  int pidfd = -1;
  clone_args raw = {};
  raw.flags = args.flags | CLONE_PIDFD;
  raw.pidfd = reinterpret_cast<std::uintptr_t>(&pidfd);
  raw.exit_signal = (args.flags & CLONE_PARENT) != 0 ? 0 : SIGCHLD;
  if (args.cgroup_fd >= 0) {
    raw.flags |= CLONE_INTO_CGROUP;
    raw.cgroup = static_cast<std::uint64_t>(args.cgroup_fd);
  }
  long pid = ::syscall(SYS_clone3, &raw, sizeof raw);
  // Filters of containers answer this to clone3, whose arguments they cannot see; clone they let
  // pass when it makes no namespace.
  if (pid == -1 && errno == ENOSYS && args.cgroup_fd < 0)
    pid = ::syscall(SYS_clone, raw.flags | raw.exit_signal, nullptr, &pidfd, nullptr, nullptr);
  if (pid == -1) return sys_error("clone3");
  Child child;
  child.pid = static_cast<pid_t>(pid);
  if (pid != 0) child.pidfd.reset(pidfd);
  return child;
}

Status RealKernel::setns(int fd, int type) {
  return checked(uninterrupted([&] { return ::setns(fd, type); }), "setns");
}

Status RealKernel::unshare(int flags) {
  return checked(uninterrupted([&] { return ::unshare(flags); }), "unshare");
}

Status RealKernel::sethostname(const std::string& name) {
  return checked(::sethostname(name.data(), name.size()), "sethostname", name);
}

Status RealKernel::setdomainname(const std::string& name) {
  return checked(::setdomainname(name.data(), name.size()), "setdomainname", name);
}

Status RealKernel::setsid() {
  return checked(::setsid(), "setsid");
}

// The raw identity calls: glibc's wrappers signal every thread that the parent of a clone3 child
// had, and these no longer exist.
Status RealKernel::setgroups(const std::vector<gid_t>& groups) {
  return checked(::syscall(SYS_setgroups, groups.size(), groups.data()), "setgroups");
}

Status RealKernel::setresgid(gid_t gid) {
  return checked(::syscall(SYS_setresgid, gid, gid, gid), "setresgid");
}

Status RealKernel::setresuid(uid_t uid) {
  return checked(::syscall(SYS_setresuid, uid, uid, uid), "setresuid");
}

Status RealKernel::setrlimit(int resource, const rlimit& limit) {
  return checked(::setrlimit(static_cast<__rlimit_resource>(resource), &limit), "setrlimit");
}

Status RealKernel::prctl(int option, unsigned long a2, unsigned long a3, unsigned long a4,
                         unsigned long a5) {
  return checked(::prctl(option, a2, a3, a4, a5), "prctl", std::to_string(option));
}

Status RealKernel::capset(const CapabilitySets& sets) {
  __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
  for (unsigned half = 0; half < _LINUX_CAPABILITY_U32S_3; ++half) {
    const unsigned shift = half * 32;
    data[half].effective = static_cast<std::uint32_t>(sets.effective >> shift);
    data[half].permitted = static_cast<std::uint32_t>(sets.permitted >> shift);
    data[half].inheritable = static_cast<std::uint32_t>(sets.inheritable >> shift);
  }
  return checked(::syscall(SYS_capset, &header, data), "capset");
}

Status RealKernel::seccomp_load(unsigned flags, std::span<const sock_filter> program) {
  if ((flags & SECCOMP_FILTER_FLAG_NEW_LISTENER) != 0 || program.size() > BPF_MAXINSNS)
    return sys_error("seccomp", EINVAL);
  const sock_fprog filter = {.len = static_cast<unsigned short>(program.size()),
                             .filter = const_cast<sock_filter*>(program.data())};
  const long result = ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &filter);
  // A positive number is the thread that could not be synchronised (FLAG_TSYNC).
  if (result > 0) return sys_error("seccomp", ESRCH);
  return checked(result, "seccomp");
}

Status RealKernel::new_session_keyring(const std::string& name) {
  return checked(::syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name.c_str()), "keyctl", name);
}

Result<UniqueFd> RealKernel::pidfd_open(pid_t pid) {
  return checked_fd(::syscall(SYS_pidfd_open, pid, 0), "pidfd_open", std::to_string(pid));
}

Status RealKernel::pidfd_send_signal(int pidfd, int signal) {
  return checked(::syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0), "pidfd_send_signal",
                 std::to_string(signal));
}

Status RealKernel::execveat(int fd, const std::string& path, const std::vector<std::string>& args,
                            const std::vector<std::string>& env, int flags) {
  const std::vector<char*> argv = pointers(args);
  const std::vector<char*> envp = pointers(env);
  // By path alone execve(2) does the same, and every container's seccomp filter knows it.
  if (fd == AT_FDCWD && flags == 0)
    return checked(::execve(path.c_str(), argv.data(), envp.data()), "execve", path);
  return checked(::syscall(SYS_execveat, fd, path.c_str(), argv.data(), envp.data(), flags),
                 "execveat", path.empty() && !args.empty() ? args.front() : path);
}

Result<long> RealKernel::bpf(int command, bpf_attr& attributes) {
  const long result = ::syscall(SYS_bpf, command, &attributes, sizeof attributes);
  if (result == -1) return sys_error(tried("bpf", std::to_string(command)));
  return result;
}

}  // namespace casemate::sys
