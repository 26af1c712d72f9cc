#include "policy/seccomp_bound.h"

#include <asm/ioctls.h>
#include <sched.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace casemate::policy {
namespace {

// What a container's start itself needs after the filter is in place, and what any program needs.
constexpr std::string_view kNeeded[] = {"read",
                                        "write",
                                        "open",
                                        "openat",
                                        "close",
                                        "close_range",
                                        "execve",
                                        "execveat",
                                        "exit",
                                        "exit_group",
                                        "prctl",
                                        "capset",
                                        "capget",
                                        "seccomp",
                                        "setuid",
                                        "setgid",
                                        "setresuid",
                                        "setresgid",
                                        "setgroups",
                                        "mmap",
                                        "munmap",
                                        "mprotect",
                                        "brk",
                                        "rt_sigreturn",
                                        "rt_sigaction",
                                        "rt_sigprocmask",
                                        "futex",
                                        "fcntl",
                                        "fstat",
                                        "newfstatat",
                                        "dup",
                                        "dup2",
                                        "dup3",
                                        "chdir",
                                        "fchdir",
                                        "arch_prctl",
                                        "set_tid_address",
                                        "set_robust_list",
                                        "wait4",
                                        "getpid",
                                        "kill",
                                        "sendmsg",
                                        "recvmsg",
                                        "clone",
                                        "ioctl",
                                        "socket",
                                        "unshare"};

constexpr std::pair<std::string_view, int> kFamilies[] = {
    {"AF_UNIX", 1},      {"AF_INET", 2},       {"AF_AX25", 3},        {"AF_IPX", 4},
    {"AF_APPLETALK", 5}, {"AF_NETROM", 6},     {"AF_X25", 9},         {"AF_INET6", 10},
    {"AF_ROSE", 11},     {"AF_KEY", 15},       {"AF_NETLINK", 16},    {"AF_PACKET", 17},
    {"AF_ECONET", 19},   {"AF_RDS", 21},       {"AF_IRDA", 23},       {"AF_PPPOX", 24},
    {"AF_LLC", 26},      {"AF_IB", 27},        {"AF_MPLS", 28},       {"AF_CAN", 29},
    {"AF_TIPC", 30},     {"AF_BLUETOOTH", 31}, {"AF_IUCV", 32},       {"AF_RXRPC", 33},
    {"AF_ISDN", 34},     {"AF_PHONET", 35},    {"AF_IEEE802154", 36}, {"AF_CAIF", 37},
    {"AF_ALG", 38},      {"AF_NFC", 39},       {"AF_VSOCK", 40},      {"AF_KCM", 41},
    {"AF_QIPCRTR", 42},  {"AF_SMC", 43},       {"AF_XDP", 44},        {"AF_MCTP", 45}};

int family_number(std::string_view name) {
  for (const auto& [known, number] : kFamilies)
    if (known == name) return number;
  return -1;
}

oci::SeccompRule refuse(std::vector<std::string> names, int error) {
  oci::SeccompRule rule;
  rule.names = std::move(names);
  rule.action = "SCMP_ACT_ERRNO";
  rule.errno_ret = static_cast<std::uint32_t>(error);
  return rule;
}

// Only the bits of `mask` count: the kernel truncates ints to 32 bits, and a comparison of all 64
// could be slipped past with high bits (CVE-2019-10063).
oci::SeccompRule refuse_when(std::vector<std::string> names, std::uint32_t index,
                             std::uint64_t mask, std::uint64_t value) {
  oci::SeccompRule rule = refuse(std::move(names), EPERM);
  rule.args.push_back({index, mask, value, "SCMP_CMP_MASKED_EQ"});
  return rule;
}

constexpr std::uint64_t kInt = 0xffffffff;

void block_user_namespaces(oci::Seccomp& out) {
  const std::uint64_t flag = CLONE_NEWUSER;
  out.syscalls.push_back(refuse_when({"clone", "unshare"}, 0, flag, flag));
  // Its flags lie behind a pointer that a filter cannot read; ENOSYS makes libc use clone.
  const auto hides_clone3 = [](const oci::SeccompRule& rule) {
    return std::ranges::find(rule.names, "clone3") != rule.names.end();
  };
  if (std::ranges::none_of(out.syscalls, hides_clone3))
    out.syscalls.push_back(refuse({"clone3"}, ENOSYS));
}

}  // namespace

bool is_needed_syscall(std::string_view name) {
  return std::ranges::find(kNeeded, name) != std::end(kNeeded);
}

bool is_known_socket_family(std::string_view name) {
  return family_number(name) >= 0;
}

oci::Seccomp seccomp_bound(const SeccompRules& rules) {
  oci::Seccomp out;
  out.default_action = "SCMP_ACT_ALLOW";
#if defined(__x86_64__)
  out.architectures = {"SCMP_ARCH_X86_64"};
#elif defined(__aarch64__)
  out.architectures = {"SCMP_ARCH_AARCH64"};
#endif
  if (!rules.deny.empty()) out.syscalls.push_back(refuse(rules.deny, EPERM));
  if (!rules.hide.empty()) out.syscalls.push_back(refuse(rules.hide, ENOSYS));
  for (const auto& family : rules.socket_families) {
    const auto number = static_cast<std::uint64_t>(family_number(family));
    out.syscalls.push_back(refuse_when({"socket", "socketpair"}, 0, kInt, number));
  }
  if (rules.block_terminal_injection) {
    out.syscalls.push_back(refuse_when({"ioctl"}, 1, kInt, TIOCSTI));
    out.syscalls.push_back(refuse_when({"ioctl"}, 1, kInt, TIOCLINUX));
  }
  if (rules.block_user_namespaces) block_user_namespaces(out);
  return out;
}

}  // namespace casemate::policy
