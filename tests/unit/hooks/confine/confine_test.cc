#include "hooks/confine/confine.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <thread>

#include "shim/base/unique_fd.h"

namespace casemate::confine {
namespace {

// Runs `check` in a child, which confinement cannot leave; its value is the exit status.
int in_child(const std::function<int()>& check) {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(check());
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int errno_of(long result) {
  return result >= 0 ? 0 : errno;
}

int confined(const Allowance& allowance, const std::function<long()>& call) {
  return in_child([&] {
    if (!confine(allowance)) return 99;
    return errno_of(call());
  });
}

TEST(Confine, WhatIsNotNamedIsRefused) {
  const Allowance all{.threads = true, .read_files = true};
  char* const none[] = {nullptr};
  EXPECT_EQ(confined(all, [&] { return ::execve("/bin/true", none, none); }), EPERM);
  EXPECT_EQ(confined(all, [] { return ::socket(AF_UNIX, SOCK_STREAM, 0); }), EPERM);
  EXPECT_EQ(confined(all, [] { return ::socket(AF_INET, SOCK_STREAM, 0); }), EPERM);
  EXPECT_EQ(confined(all, [] { return ::mount("x", "/tmp", "tmpfs", 0, nullptr); }), EPERM);
  EXPECT_EQ(confined(all, [] { return ::ptrace(PTRACE_TRACEME, 0, 0, 0); }), EPERM);
  EXPECT_EQ(confined(all, [] { return ::syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0); }), EPERM);
  EXPECT_EQ(confined(all, [] { return ::syscall(SYS_clone3, nullptr, 0); }), ENOSYS);
  EXPECT_EQ(confined(all, [] { return ::setresuid(0, 0, 0); }), EPERM);
  EXPECT_EQ(confined(all, [] { return ::unlink("/tmp/none"); }), EPERM);
  EXPECT_EQ(confined(all, [] { return ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); }), EPERM);
  EXPECT_EQ(confined(all,
                     []() -> long {
                       void* at = ::mmap(nullptr, 4096, PROT_READ | PROT_EXEC,
                                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
                       return at == MAP_FAILED ? -1 : 0;
                     }),
            EPERM);
}

TEST(Confine, FilesOnlyWhenAllowedAndOnlyForReading) {
  EXPECT_EQ(confined({}, [] { return ::open("/etc/passwd", O_RDONLY); }), EPERM);
  EXPECT_EQ(confined({.read_files = true}, [] { return ::open("/etc/passwd", O_RDONLY); }), 0);
  EXPECT_EQ(confined({.read_files = true}, [] { return ::open("/etc/passwd", O_RDWR); }), EPERM);
  EXPECT_EQ(confined({.read_files = true},
                     [] { return ::open("/tmp/casemate-none", O_RDONLY | O_CREAT, 0600); }),
            EPERM);
}

TEST(Confine, ThreadsOnlyWhenAllowed) {
  const auto start = []() -> long {
    pthread_t thread;
    const int rc =
        ::pthread_create(&thread, nullptr, [](void*) -> void* { return nullptr; }, nullptr);
    if (rc == 0) ::pthread_join(thread, nullptr);
    errno = rc;
    return rc == 0 ? 0 : -1;
  };
  EXPECT_EQ(confined({.threads = true}, start), 0);
  EXPECT_EQ(confined({}, start), EPERM);
}

TEST(Confine, FurtherCallsByNumber) {
  EXPECT_EQ(confined({}, [] { return ::syscall(SYS_getppid); }), EPERM);
  EXPECT_EQ(confined({.also = {SYS_getppid}}, [] { return ::syscall(SYS_getppid) > 0 ? 0 : -1; }),
            0);
}

std::uint64_t held_capabilities() {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct held[2] = {};
  if (::syscall(SYS_capget, &header, held) != 0) return ~0ULL;
  return held[0].effective | held[0].permitted | held[0].inheritable |
         static_cast<std::uint64_t>(held[1].effective | held[1].permitted) << 32;
}

TEST(Confine, IdentityCapabilitiesAndLimits) {
  Allowance allowance{.nobody = true,
                      .capabilities = 1ULL << CAP_DAC_READ_SEARCH,
                      .descriptors = 77,
                      .also = {SYS_capget, SYS_getresuid, SYS_prctl, SYS_prlimit64}};
  const int wrong = in_child([&] {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (!confine(allowance)) return 1;
    if (held_capabilities() != 1ULL << CAP_DAC_READ_SEARCH) return 2;
    uid_t real = 0, effective = 0, saved = 0;
    ::getresuid(&real, &effective, &saved);
    if (real != 65534 || effective != 65534 || saved != 65534) return 3;
    rlimit files{}, core{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    ::getrlimit(RLIMIT_CORE, &core);
    if (files.rlim_max != 77 || core.rlim_max != 0) return 4;
    if (::prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0) return 5;
    if (::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) return 6;
    if (::prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN, 0, 0, 0) != 0) return 7;
    int death_signal = 0;
    ::prctl(PR_GET_PDEATHSIG, &death_signal, 0, 0, 0);
    return death_signal == SIGKILL ? 0 : 8;
  });
  EXPECT_EQ(wrong, 0);
}

TEST(ConfineReads, OnlyBelowTheDirectories) {
  const int wrong = in_child([] {
    const UniqueFd proc(::open("/proc/self", O_PATH | O_DIRECTORY));
    const UniqueFd etc(::open("/etc", O_PATH | O_DIRECTORY));
    const int allowed[] = {etc.get()};
    if (!confine({.read_files = true})) return 1;
    const auto locked = confine_reads(allowed);
    if (!locked) return 2;
    if (!*locked) return 0;  // no Landlock in this kernel: nothing more to hold
    if (::openat(etc.get(), "passwd", O_RDONLY) < 0) return 3;
    if (::openat(proc.get(), "status", O_RDONLY) >= 0 || errno != EACCES) return 4;
    if (::open("/usr/bin/env", O_RDONLY) >= 0 || errno != EACCES) return 5;
    return 0;
  });
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace casemate::confine
