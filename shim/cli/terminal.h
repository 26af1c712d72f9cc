// Terminal: the master of a container's terminal, relayed to and from our standard streams. When
// standard input is a terminal it is in raw mode meanwhile, as it was before afterwards.
#pragma once

#include <poll.h>
#include <termios.h>

#include <optional>
#include <span>
#include <string>

#include "shim/base/unique_fd.h"

namespace casemate::cli {

class Terminal {
 public:
  // Takes over the master and gives it our window's size, when we have a window. `input` and
  // `output` are 0 and 1 but in tests.
  explicit Terminal(UniqueFd master, int input = 0, int output = 1);
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  // The window's size is the container's terminal's too. Call it on SIGWINCH.
  void resize();
  using Polled = std::span<pollfd, 3>;
  // Fills in what to wait for, and passes on what poll(2) found. Never blocks.
  void ask(Polled polled) const;
  void relay(Polled polled);
  // Passes on what was written before the process ended; waits for who reads our output.
  void drain();

 private:
  void read_master();
  void read_input();
  void write_master();
  void write_output();

  UniqueFd master_;
  int input_;
  int output_;
  bool input_open_ = true;
  bool output_open_ = true;
  std::string typed_;    // not yet taken by the terminal
  std::string written_;  // not yet taken by our output
  std::optional<termios> before_;
};

}  // namespace casemate::cli
