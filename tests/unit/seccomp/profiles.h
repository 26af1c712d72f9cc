// A profile of the kind that engines send, shared by the seccomp tests.
#pragma once

#include <sys/syscall.h>

#include <map>
#include <string>

#include "shim/oci/spec.h"

namespace casemate::seccomp {

// Denies by default, allows a list, some calls by argument, clone3 gets ENOSYS.
inline oci::Seccomp engine_profile() {
  oci::Seccomp out;
  out.default_action = "SCMP_ACT_ERRNO";
#if defined(__x86_64__)
  out.architectures = {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"};
#endif
  out.syscalls.push_back(
      {.names = {"accept",     "bind",       "brk",    "capset",   "close",   "connect",
                 "dup",        "epoll_wait", "execve", "execveat", "exit",    "exit_group",
                 "faccessat2", "fstat",      "futex",  "getpid",   "ioctl",   "mmap",
                 "munmap",     "openat",     "prctl",  "read",     "recvmsg", "rt_sigaction",
                 "sendmsg",    "socket",     "wait4",  "write"},
       .action = "SCMP_ACT_ALLOW"});
  for (const std::uint64_t persona : {0x0ull, 0x8ull, 0x20000ull, 0x20008ull, 0xffffffffull}) {
    out.syscalls.push_back({.names = {"personality"},
                            .action = "SCMP_ACT_ALLOW",
                            .args = {{.index = 0, .value = persona, .op = "SCMP_CMP_EQ"}}});
  }
  out.syscalls.push_back({.names = {"clone"},
                          .action = "SCMP_ACT_ALLOW",
                          .args = {{.index = 0, .value = 0x7E020000, .op = "SCMP_CMP_MASKED_EQ"}}});
  out.syscalls.push_back({.names = {"clone3"}, .action = "SCMP_ACT_ERRNO", .errno_ret = 38});
  return out;
}

// Numbers of the names above that the tests ask for; -1: not asked.
inline long native_number(const std::string& name) {
  static const std::map<std::string, long> numbers = {
      {"accept", SYS_accept},   {"bind", SYS_bind},         {"brk", SYS_brk},
      {"capset", SYS_capset},   {"close", SYS_close},       {"connect", SYS_connect},
      {"execve", SYS_execve},   {"execveat", SYS_execveat}, {"exit_group", SYS_exit_group},
      {"fstat", SYS_fstat},     {"futex", SYS_futex},       {"getpid", SYS_getpid},
      {"ioctl", SYS_ioctl},     {"mmap", SYS_mmap},         {"openat", SYS_openat},
      {"prctl", SYS_prctl},     {"read", SYS_read},         {"recvmsg", SYS_recvmsg},
      {"sendmsg", SYS_sendmsg}, {"socket", SYS_socket},     {"wait4", SYS_wait4},
      {"write", SYS_write},
  };
  const auto found = numbers.find(name);
  return found == numbers.end() ? -1 : found->second;
}

}  // namespace casemate::seccomp
