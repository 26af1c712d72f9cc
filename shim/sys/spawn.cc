#include "shim/sys/spawn.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>

#include "shim/sys/inherited.h"
#include "shim/sys/syscall.h"

namespace casemate::sys {
namespace {

constexpr int kHelperSocket = 3;
constexpr std::size_t kStackSize = 65536;

// What the child reads, and the errno it leaves: it shares our memory until execve.
struct Launch {
  const char* program = nullptr;
  int socket = -1;
  std::span<const int> cgroups;
  int failed = 0;
};

// In the child: async-signal-safe calls only.
bool arrange_descriptors(int socket) {
  // Out of the way of 0–3 first.
  const int kept = ::fcntl(socket, F_DUPFD, kHelperSocket + 1);
  const int null = ::open("/dev/null", O_RDWR);
  if (kept == -1 || null == -1) return false;
  for (int fd = 0; fd < kHelperSocket; ++fd)
    if (::dup2(null, fd) == -1) return false;
  if (::dup2(kept, kHelperSocket) == -1) return false;
  return ::syscall(SYS_close_range, kHelperSocket + 1, ~0U, 0) == 0;
}

bool join_cgroups(std::span<const int> files) {
  for (const int file : files)
    if (::write(file, "0", 1) != 1) return false;  // cgroups(7): the writer itself
  return true;
}

int run_child(void* argument) {
  auto* launch = static_cast<Launch*>(argument);
  char* const argv[] = {const_cast<char*>(launch->program), nullptr};
  char* const envp[] = {nullptr};
  // Should our parent be dead already, the socket says so: its other end is closed.
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0 && ::chdir("/") == 0 &&
      join_cgroups(launch->cgroups) && arrange_descriptors(launch->socket)) {
    reset_signals();
    ::execve(launch->program, argv, envp);
  }
  launch->failed = errno;
  ::_exit(127);
}

// clone(2) with the memory shared and ourselves stopped until execve: nothing is copied. All
// signals are blocked, so that no handler of ours runs in the child.
Result<UniqueFd> clone_child(Launch& launch) {
  void* stack = ::mmap(nullptr, kStackSize, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (stack == MAP_FAILED) return sys_error("mmap");
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  int pidfd = -1;
  const int pid = ::clone(run_child, static_cast<char*>(stack) + kStackSize,
                          CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, &launch, &pidfd);
  const int saved = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ::munmap(stack, kStackSize);
  if (pid == -1) return sys_error("clone", saved);
  return UniqueFd(pidfd);
}

}  // namespace

Result<ChildProcess> ChildProcess::start(const std::string& program, int socket,
                                         std::span<const int> cgroups) {
  if (!program.starts_with('/'))
    return internal("helper.start", "\"" + program + "\" is not an absolute path");
  Launch launch = {.program = program.c_str(), .socket = socket, .cgroups = cgroups};
  ChildProcess child(TRY(clone_child(launch)));
  if (launch.failed == 0) return child;
  auto failure = internal("helper.start", "start \"" + program + "\"",
                          "is the program installed and executable?");
  failure.error().sys_errno = launch.failed;
  return failure;
}

ChildProcess::~ChildProcess() {
  if (!pidfd_) return;
  ::syscall(SYS_pidfd_send_signal, pidfd_.get(), SIGKILL, nullptr, 0);
  [[maybe_unused]] const auto status = wait(kNoDeadline);
}

Result<int> ChildProcess::wait(Deadline deadline) {
  pollfd watched = {.fd = pidfd_.get(), .events = POLLIN};
  const int ready = uninterrupted([&] { return ::poll(&watched, 1, milliseconds_left(deadline)); });
  if (ready == -1) return sys_error("poll");
  if (ready == 0) return internal("helper.deadline", "the helper did not end in time");
  siginfo_t end = {};
  const auto id = static_cast<id_t>(pidfd_.get());
  if (uninterrupted([&] { return ::waitid(P_PIDFD, id, &end, WEXITED); }) == -1)
    return sys_error("waitid");
  pidfd_.reset();
  return end.si_code == CLD_EXITED ? end.si_status : 128 + end.si_status;
}

}  // namespace casemate::sys
