#include "shim/cli/terminal.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace casemate::cli {
namespace {

// A pipe that poll(2) calls writable takes this much without blocking (PIPE_BUF).
constexpr std::size_t kPart = 4096;

bool is_transient(int error) {
  return error == EAGAIN || error == EINTR;
}

}  // namespace

Terminal::Terminal(UniqueFd master, int input, int output)
    : master_(std::move(master)), input_(input), output_(output) {
  ::fcntl(master_.get(), F_SETFL, ::fcntl(master_.get(), F_GETFL) | O_NONBLOCK);
  resize();
  termios now{};
  if (::tcgetattr(input_, &now) != 0) return;  // not a terminal
  before_ = now;
  ::cfmakeraw(&now);
  ::tcsetattr(input_, TCSANOW, &now);
}

Terminal::~Terminal() {
  if (before_) ::tcsetattr(input_, TCSADRAIN, &*before_);
}

void Terminal::resize() {
  winsize size{};
  for (const int ours : {input_, output_})
    if (::ioctl(ours, TIOCGWINSZ, &size) == 0) {
      ::ioctl(master_.get(), TIOCSWINSZ, &size);
      return;
    }
}

void Terminal::ask(Polled polled) const {
  // What is typed waits in our own input while the terminal takes nothing, and the other way round.
  const bool takes_input = input_open_ && typed_.empty();
  short master = 0;
  if (output_open_ && written_.empty()) master |= POLLIN;
  if (output_open_ && !typed_.empty()) master |= POLLOUT;
  polled[0] = {.fd = takes_input ? input_ : -1, .events = POLLIN, .revents = 0};
  polled[1] = {.fd = master != 0 ? master_.get() : -1, .events = master, .revents = 0};
  polled[2] = {.fd = written_.empty() ? -1 : output_, .events = POLLOUT, .revents = 0};
}

void Terminal::relay(Polled polled) {
  if (polled[2].revents != 0) write_output();
  if (polled[1].revents != 0 && written_.empty()) read_master();
  if (polled[0].revents != 0) read_input();
  if (!typed_.empty()) write_master();
}

void Terminal::drain() {
  output_open_ = true;
  do {
    while (!written_.empty()) {
      pollfd room{.fd = output_, .events = POLLOUT, .revents = 0};
      static_cast<void>(::poll(&room, 1, -1));
      write_output();
    }
    read_master();
  } while (!written_.empty());
}

// EIO: nobody has the terminal open any more. The master stays open: to close it would hang up on
// whoever opens the terminal again.
void Terminal::read_master() {
  std::array<char, kPart> part;
  const ssize_t got = ::read(master_.get(), part.data(), part.size());
  if (got > 0) written_.assign(part.data(), static_cast<std::size_t>(got));
  if (got == 0 || (got < 0 && !is_transient(errno))) output_open_ = false;
}

// Our output may be gone: the container's process is not to block on it.
void Terminal::write_output() {
  const ssize_t written = ::write(output_, written_.data(), written_.size());
  if (written > 0) written_.erase(0, static_cast<std::size_t>(written));
  if (written < 0 && !is_transient(errno)) written_.clear();
}

void Terminal::read_input() {
  std::array<char, kPart> part;
  const ssize_t got = ::read(input_, part.data(), part.size());
  if (got > 0) typed_.assign(part.data(), static_cast<std::size_t>(got));
  if (got == 0 || (got < 0 && !is_transient(errno))) input_open_ = false;
}

void Terminal::write_master() {
  const ssize_t written = ::write(master_.get(), typed_.data(), typed_.size());
  if (written > 0) typed_.erase(0, static_cast<std::size_t>(written));
  if (written < 0 && !is_transient(errno)) typed_.clear();
}

}  // namespace casemate::cli
