#include "hooks/confine/confine.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <memory>
#include <string>

namespace casemate::confine {
namespace {

constexpr uid_t kNobody = 65534;

// What any helper with allocations, OpenSSL and one socket needs. landlock_* only ever takes away.
constexpr int kAlways[] = {
    SCMP_SYS(read),
    SCMP_SYS(readv),
    SCMP_SYS(pread64),
    SCMP_SYS(write),
    SCMP_SYS(writev),
    SCMP_SYS(close),
    SCMP_SYS(fstat),
    SCMP_SYS(newfstatat),
    SCMP_SYS(lseek),
    SCMP_SYS(fcntl),
    SCMP_SYS(brk),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(tgkill),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(futex),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(nanosleep),
    SCMP_SYS(getrandom),
    SCMP_SYS(sendmsg),
    SCMP_SYS(recvmsg),
    SCMP_SYS(sendto),
    SCMP_SYS(recvfrom),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(rseq),
    SCMP_SYS(landlock_create_ruleset),
    SCMP_SYS(landlock_add_rule),
    SCMP_SYS(landlock_restrict_self),
#ifdef __SANITIZE_ADDRESS__  // the sanitizer asks by a pipe whether memory may be read
    SCMP_SYS(pipe),
    SCMP_SYS(pipe2),
#endif
};

constexpr int kReadFiles[] = {
    SCMP_SYS(openat2),   SCMP_SYS(getdents64), SCMP_SYS(readlinkat), SCMP_SYS(statx),
    SCMP_SYS(fgetxattr), SCMP_SYS(fadvise64),  SCMP_SYS(fstatfs),
};

constexpr std::uint64_t kOpenForWriting = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC;

std::unexpected<Error> failed(const std::string& what, int error) {
  auto result = internal("confine.failed", "cannot confine this process: " + what,
                         "helpers do not run unconfined; a kernel with seccomp is required");
  result.error().sys_errno = error;
  return result;
}

Status limit(int resource, std::uint64_t value, const char* name) {
  const rlimit wanted{.rlim_cur = value, .rlim_max = value};
  rlimit now{};
  // A lower hard limit of the caller stays as it is: raising it would need a capability.
  if (getrlimit(resource, &now) == 0 && now.rlim_max < value) return {};
  if (setrlimit(resource, &wanted) != 0) return failed(name, errno);
  return {};
}

Status set_limits(const Allowance& allowance) {
  TRY(limit(RLIMIT_CORE, 0, "RLIMIT_CORE"));
  TRY(limit(RLIMIT_NOFILE, allowance.descriptors, "RLIMIT_NOFILE"));
#ifndef __SANITIZE_ADDRESS__  // the sanitizer reserves terabytes of address space
  if (allowance.address_space != 0) TRY(limit(RLIMIT_AS, allowance.address_space, "RLIMIT_AS"));
#endif
  return {};
}

Status set_capabilities(std::uint64_t permitted) {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct held[2] = {};
  if (syscall(SYS_capget, &header, held) != 0) return failed("capget", errno);
  for (int i = 0; i < 2; ++i) {
    const auto wanted = static_cast<std::uint32_t>(permitted >> (32 * i));
    held[i].permitted &= wanted;
    held[i].effective = held[i].permitted;
    held[i].inheritable = 0;
  }
  if (syscall(SYS_capset, &header, held) != 0) return failed("capset", errno);
  return {};
}

void drop_bounding_set() {
  // Without CAP_SETPCAP the set cannot shrink; no_new_privs makes that harmless.
  for (unsigned long cap = 0; cap < 64; ++cap)
    if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0 && errno != EPERM) break;
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

// A root process without capabilities still owns root's files; nobody owns nothing. EINVAL means
// that the user namespace has no such id, EPERM that the caller is not root: stay what we are.
Status become_nobody() {
  if (geteuid() != 0) return {};
  int death_signal = 0;  // a change of identity clears it: keep dying with the caller
  prctl(PR_GET_PDEATHSIG, &death_signal, 0, 0, 0);
  if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) return failed("PR_SET_KEEPCAPS", errno);
  const bool done = setgroups(0, nullptr) == 0 && setresgid(kNobody, kNobody, kNobody) == 0 &&
                    setresuid(kNobody, kNobody, kNobody) == 0;
  if (!done && errno != EINVAL && errno != EPERM) return failed("setresuid", errno);
  if (prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0) return failed("PR_SET_PDEATHSIG", errno);
  return {};
}

using Filter = std::unique_ptr<void, decltype(&seccomp_release)>;

Status allow(const Filter& filter, int call) {
  const int rc = seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, call, 0);
  if (rc != 0) return failed("seccomp rule " + std::to_string(call), -rc);
  return {};
}
Status allow_masked(const Filter& filter, int call, unsigned argument, std::uint64_t mask,
                    std::uint64_t value) {
  const scmp_arg_cmp compare{argument, SCMP_CMP_MASKED_EQ, mask, value};
  const int rc = seccomp_rule_add_array(filter.get(), SCMP_ACT_ALLOW, call, 1, &compare);
  if (rc != 0) return failed("seccomp rule " + std::to_string(call), -rc);
  return {};
}

Status add_threads(const Filter& filter) {
  TRY(allow_masked(filter, SCMP_SYS(clone), 0, CLONE_THREAD, CLONE_THREAD));
  // Its flags lie in memory, out of the filter's sight: ENOSYS makes libc use clone.
  const int rc = seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
  if (rc != 0) return failed("seccomp rule clone3", -rc);
  return {};
}

Status load_filter(const Allowance& allowance) {
  const Filter filter(seccomp_init(SCMP_ACT_ERRNO(EPERM)), &seccomp_release);
  if (!filter) return failed("seccomp_init", ENOMEM);
  for (const int call : kAlways) TRY(allow(filter, call));
  TRY(allow_masked(filter, SCMP_SYS(mmap), 2, PROT_EXEC, 0));
  TRY(allow_masked(filter, SCMP_SYS(mprotect), 2, PROT_EXEC, 0));
  if (allowance.threads) TRY(add_threads(filter));
  if (allowance.read_files) {
    for (const int call : kReadFiles) TRY(allow(filter, call));
    TRY(allow_masked(filter, SCMP_SYS(openat), 2, kOpenForWriting, 0));
  }
  for (const int call : allowance.also) TRY(allow(filter, call));
  const int rc = seccomp_load(filter.get());
  if (rc != 0) return failed("seccomp_load", -rc);
  return {};
}

}  // namespace

Status confine(const Allowance& allowance) {
  TRY(set_limits(allowance));
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failed("no_new_privs", errno);
  drop_bounding_set();
  if (allowance.nobody) TRY(become_nobody());
  TRY(set_capabilities(allowance.capabilities));
  // After the change of identity, which sets the flag anew.
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return failed("PR_SET_DUMPABLE", errno);
  return load_filter(allowance);
}

}  // namespace casemate::confine
