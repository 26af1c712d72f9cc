#include "shim/cli/signal_relay.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "shim/base/result.h"

namespace casemate::cli {
namespace {

int exit_code(int status) {
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

// Every signal but those that concern this process alone.
SignalRelay::SignalRelay() {
  ::sigfillset(&signals_);
  for (const int own : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGPROF})
    ::sigdelset(&signals_, own);
  ::sigprocmask(SIG_BLOCK, &signals_, nullptr);
  descriptor_.reset(::signalfd(-1, &signals_, SFD_CLOEXEC));
}

bool SignalRelay::relay_one(pid_t child, Terminal* terminal) {
  signalfd_siginfo info{};
  if (::read(descriptor_.get(), &info, sizeof info) != sizeof info) return true;
  const int signal = static_cast<int>(info.ssi_signo);
  if (signal == SIGCHLD) return true;
  // The terminal's own end tells the process of its new size.
  if (signal == SIGWINCH && terminal != nullptr)
    terminal->resize();
  else if (signal != SIGURG)
    ::kill(child, signal);  // our child, not reaped yet: nobody else has its pid
  return false;
}

int SignalRelay::wait(pid_t child, Terminal* terminal, run::NotifySocket* notify) {
  for (bool look = true;;) {
    int status = 0;
    const pid_t ended = look ? ::waitpid(child, &status, WNOHANG) : 0;
    if (ended == child && terminal != nullptr) terminal->drain();
    if (ended == child && notify != nullptr) static_cast<void>(notify->relay(::getpid()));
    if (ended == child) return exit_code(status);
    if (ended < 0) return static_cast<int>(ErrorClass::internal);  // not our child: cannot be
    // poll(2) leaves negative descriptors out: without a terminal there is nothing else to wait
    // for.
    std::array<pollfd, 5> ready;
    ready.fill({.fd = -1, .events = 0, .revents = 0});
    ready[0] = {.fd = descriptor_.get(), .events = POLLIN, .revents = 0};
    const Terminal::Polled relayed(ready.data() + 1, 3);
    if (terminal != nullptr) terminal->ask(relayed);
    if (notify != nullptr) ready[4] = {.fd = notify->fd(), .events = POLLIN, .revents = 0};
    if (::poll(ready.data(), ready.size(), -1) < 0 && errno != EINTR)
      return static_cast<int>(ErrorClass::internal);
    look = ready[0].revents != 0 && relay_one(child, terminal);
    if (terminal != nullptr) terminal->relay(relayed);
    // It runs as this process' child: that is whom the caller is to watch. One that cannot be told
    // does not end the container.
    if (ready[4].revents != 0) static_cast<void>(notify->relay(::getpid()));
  }
}

}  // namespace casemate::cli
