#include "shim/cli/terminal.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "shim/cli/signal_relay.h"

namespace casemate::cli {
namespace {

struct Pty {
  UniqueFd master{::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)};
  UniqueFd peer;
  Pty() {
    ::grantpt(master.get());
    ::unlockpt(master.get());
    peer.reset(::open(::ptsname(master.get()), O_RDWR | O_NOCTTY | O_CLOEXEC));
  }
};

struct Pipe {
  UniqueFd read_end, write_end;
  Pipe() {
    int ends[2] = {-1, -1};
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    read_end.reset(ends[0]);
    write_end.reset(ends[1]);
  }
};

void write_text(int fd, const std::string& text) {
  ASSERT_EQ(::write(fd, text.data(), text.size()), static_cast<ssize_t>(text.size()));
}

bool same(const termios& left, const termios& right) {
  return left.c_iflag == right.c_iflag && left.c_oflag == right.c_oflag &&
         left.c_lflag == right.c_lflag && left.c_cflag == right.c_cflag;
}

TEST(Terminal, OurOwnTerminalIsRawMeanwhileAndAsBeforeAfterwards) {
  Pty ours, theirs;
  termios before{}, now{};
  ASSERT_EQ(::tcgetattr(ours.peer.get(), &before), 0);
  {
    const Terminal terminal(std::move(theirs.master), ours.peer.get(), ours.peer.get());
    ASSERT_EQ(::tcgetattr(ours.peer.get(), &now), 0);
    EXPECT_EQ(now.c_lflag & (ICANON | ECHO | ISIG), 0u);
  }
  ASSERT_EQ(::tcgetattr(ours.peer.get(), &now), 0);
  EXPECT_TRUE(same(before, now));
}

TEST(Terminal, TheSizeIsOurs) {
  Pty ours, theirs;
  winsize size{.ws_row = 31, .ws_col = 71, .ws_xpixel = 0, .ws_ypixel = 0};
  ASSERT_EQ(::ioctl(ours.peer.get(), TIOCSWINSZ, &size), 0);
  Terminal terminal(std::move(theirs.master), ours.peer.get(), ours.peer.get());
  winsize found{};
  ASSERT_EQ(::ioctl(theirs.peer.get(), TIOCGWINSZ, &found), 0);
  EXPECT_EQ(found.ws_row, 31);
  EXPECT_EQ(found.ws_col, 71);
  size.ws_row = 41;
  ASSERT_EQ(::ioctl(ours.peer.get(), TIOCSWINSZ, &size), 0);
  terminal.resize();
  ASSERT_EQ(::ioctl(theirs.peer.get(), TIOCGWINSZ, &found), 0);
  EXPECT_EQ(found.ws_row, 41);
}

// A program on a pseudoterminal, its output and exit code by the relay.
struct Ended {
  int code = -1;
  std::string output;
};
Ended run_on_terminal(const char* script, const std::string& typed, bool close_input = true) {
  Pty theirs;
  Pipe input;
  const UniqueFd output(::memfd_create("output", MFD_CLOEXEC));
  write_text(input.write_end.get(), typed);
  if (close_input) input.write_end.reset();
  const pid_t child = ::fork();
  if (child == 0) {
    ::setsid();
    ::ioctl(theirs.peer.get(), TIOCSCTTY, 0);
    for (const int standard : {0, 1, 2}) ::dup2(theirs.peer.get(), standard);
    ::execl("/bin/sh", "sh", "-c", script, nullptr);
    ::_exit(127);
  }
  theirs.peer.reset();
  Ended ended;
  sigset_t before;
  ::sigprocmask(SIG_SETMASK, nullptr, &before);
  {
    SignalRelay relay;
    Terminal terminal(std::move(theirs.master), input.read_end.get(), output.get());
    ended.code = relay.wait(child, &terminal);
  }
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  ended.output.resize(static_cast<std::size_t>(::lseek(output.get(), 0, SEEK_END)));
  EXPECT_EQ(::pread(output.get(), ended.output.data(), ended.output.size(), 0),
            static_cast<ssize_t>(ended.output.size()));
  return ended;
}

TEST(Terminal, BytesGoBothWays) {
  const Ended ended = run_on_terminal("read word; echo \"got $word\"; exit 5", "hello\n");
  EXPECT_EQ(ended.code, 5);
  EXPECT_NE(ended.output.find("got hello"), std::string::npos) << ended.output;
}

TEST(Terminal, WhatWasWrittenLastIsNotLost) {
  const Ended ended = run_on_terminal(
      "stty -opost; i=0; while [ $i -lt 3000 ]; do echo $i; i=$((i+1)); done; printf end", "");
  EXPECT_EQ(ended.code, 0);
  std::string all;
  for (int i = 0; i < 3000; ++i) all += std::to_string(i) + "\n";
  EXPECT_EQ(ended.output, all + "end");
}

// Who does not read and writes all the time must not stop us from reading.
TEST(Terminal, InputThatNobodyTakesDoesNotBlock) {
  const Ended ended = run_on_terminal(
      "stty -echo raw; head -c 300000 /dev/zero | tr '\\0' x; exit 3", std::string(60000, 'y'));
  EXPECT_EQ(ended.code, 3);
  EXPECT_GE(ended.output.size(), 300000u);
}

TEST(Terminal, TheEndDoesNotWaitForInputOrForThoseLeftBehind) {
  EXPECT_EQ(run_on_terminal("(trap '' HUP; sleep 30) & exit 8", "", /*close_input=*/false).code, 8);
  EXPECT_EQ(run_on_terminal("kill -KILL $$", "").code, 128 + SIGKILL);
}

TEST(SignalRelay, SignalsGoOn) {
  sigset_t before;
  ::sigprocmask(SIG_SETMASK, nullptr, &before);
  Pipe ready;
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGUSR1, [](int) { ::_exit(42); });
    write_text(ready.write_end.get(), "r");
    for (;;) ::pause();
  }
  char byte = 0;
  ASSERT_EQ(::read(ready.read_end.get(), &byte, 1), 1);
  {
    SignalRelay relay;
    ::kill(::getpid(), SIGUSR1);
    EXPECT_EQ(relay.wait(child), 42);
  }
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
}

// Who does not read our output does not keep signals from the process.
TEST(SignalRelay, SignalsGoOnWhileTheOutputIsBlocked) {
  Pty theirs;
  Pipe input, output;
  const pid_t child = ::fork();
  if (child == 0) {
    for (const int standard : {0, 1, 2}) ::dup2(theirs.peer.get(), standard);
    ::execl("/bin/sh", "sh", "-c", "trap 'exit 43' USR1; while :; do echo 0123456789; done",
            nullptr);
    ::_exit(127);
  }
  theirs.peer.reset();
  const pid_t caller = ::fork();
  if (caller == 0) {
    ::usleep(300'000);
    ::kill(::getppid(), SIGUSR1);
    ::usleep(300'000);
    char part[65536];  // only now somebody reads
    while (::read(output.read_end.get(), part, sizeof part) > 0) {
    }
    ::_exit(0);
  }
  output.read_end.reset();
  sigset_t before;
  ::sigprocmask(SIG_SETMASK, nullptr, &before);
  {
    SignalRelay relay;
    Terminal terminal(std::move(theirs.master), input.read_end.get(), output.write_end.get());
    EXPECT_EQ(relay.wait(child, &terminal), 43);
  }
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  output.write_end.reset();
  ::kill(caller, SIGKILL);
  ::waitpid(caller, nullptr, 0);
}

}  // namespace
}  // namespace casemate::cli
