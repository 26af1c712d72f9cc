// One message of any size over a SOCK_SEQPACKET socket: a head with the length and the number of
// descriptors, then packets that fit every socket buffer. (One packet of a MiB would need as much
// contiguous kernel memory, and more than the default buffer.)
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shim/base/result.h"
#include "shim/base/unique_fd.h"

namespace casemate::sys {

struct Frame {
  std::string text;
  std::vector<UniqueFd> fds;
};

// A point of CLOCK_MONOTONIC in nanoseconds; kNoDeadline waits for ever.
using Deadline = std::int64_t;
inline constexpr Deadline kNoDeadline = INT64_MAX;

// What poll(2) takes: the milliseconds left, rounded up; -1 without a deadline.
int milliseconds_left(Deadline deadline);

// Errors: "helper.size" beyond the limits of helper.h, "helper.deadline", system.call EPIPE when
// the peer is gone.
Status send_frame(int socket, std::string_view text, std::span<const int> fds, Deadline deadline);
// Errors: "helper.died" when the peer is gone before the last byte, "helper.deadline",
// "helper.frame" when what came is not a frame or exceeds the limits. `peer` is a pidfd whose end
// counts as the peer's (its own children may hold the socket open), or -1.
Result<Frame> receive_frame(int socket, int peer, Deadline deadline);

}  // namespace casemate::sys
