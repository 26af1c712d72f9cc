#include "shim/sys/frame.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <climits>
#include <cstring>

#include "shim/base/clock.h"
#include "shim/sys/helper.h"
#include "shim/sys/real_kernel.h"
#include "shim/sys/syscall.h"

namespace casemate::sys {
namespace {

constexpr std::uint32_t kMagic = 0x31464d43;  // "CMF1"; both ends are the same machine
constexpr std::size_t kPacket = 32768;

struct Head {
  std::uint32_t magic = kMagic;
  std::uint32_t length = 0;
  std::uint32_t descriptors = 0;
};

std::unexpected<Error> too_late() {
  return internal("helper.deadline", "the helper did not answer in time",
                  "look for what it waits for, or allow it more time");
}

// Waits until `socket` is ready for `events`; the end of `peer` counts only when it is not.
Status wait_for(int socket, short events, int peer, Deadline deadline) {
  pollfd watched[2] = {{.fd = socket, .events = events}, {.fd = peer, .events = POLLIN}};
  const int ready = uninterrupted(
      [&] { return ::poll(watched, std::size(watched), milliseconds_left(deadline)); });
  if (ready == -1) return sys_error("poll");
  if (ready == 0) return too_late();
  if (watched[0].revents == 0) return internal("helper.died", "the helper ended without a reply");
  return {};
}

Status send_packet(int socket, std::string_view packet, std::span<const int> fds,
                   Deadline deadline) {
  RealKernel kernel;
  TRY(wait_for(socket, POLLOUT, /*peer=*/-1, deadline));
  return kernel.send(socket, packet, fds);
}

Result<Kernel::Message> receive_packet(int socket, int peer, Deadline deadline) {
  RealKernel kernel;
  TRY(wait_for(socket, POLLIN, peer, deadline));
  auto packet = kernel.recv(socket, kPacket);
  // A peer that closed with our bytes unread is reported before the last packets that it sent.
  if (!packet && packet.error().sys_errno == ECONNRESET) packet = kernel.recv(socket, kPacket);
  if (packet && packet->bytes.empty())
    return internal("helper.died", "the helper ended without a reply");
  return packet;
}

Result<Head> read_head(const Kernel::Message& packet) {
  Head head;
  if (packet.bytes.size() < sizeof head)
    return internal("helper.frame", "a message without its head");
  std::memcpy(&head, packet.bytes.data(), sizeof head);
  if (head.magic != kMagic || head.length > kHelperMessageLimit ||
      head.descriptors > kHelperDescriptorLimit || head.descriptors != packet.fds.size())
    return internal("helper.frame", "a message with a wrong head");
  return head;
}

}  // namespace

int milliseconds_left(Deadline deadline) {
  if (deadline == kNoDeadline) return -1;
  const std::int64_t left = std::max<std::int64_t>(deadline - monotonic_ns(), 0);
  return static_cast<int>(std::min<std::int64_t>((left + 999'999) / 1'000'000, INT_MAX));
}

Status send_frame(int socket, std::string_view text, std::span<const int> fds, Deadline deadline) {
  if (text.size() > kHelperMessageLimit || fds.size() > kHelperDescriptorLimit)
    return internal("helper.size", "a helper message of " + std::to_string(text.size()) +
                                       " bytes and " + std::to_string(fds.size()) +
                                       " descriptors is too large");
  const Head head = {.length = static_cast<std::uint32_t>(text.size()),
                     .descriptors = static_cast<std::uint32_t>(fds.size())};
  std::string packet(sizeof head, '\0');
  std::memcpy(packet.data(), &head, sizeof head);
  const std::size_t first = std::min(text.size(), kPacket - sizeof head);
  packet += text.substr(0, first);
  TRY(send_packet(socket, packet, fds, deadline));
  for (std::size_t at = first; at < text.size(); at += kPacket)
    TRY(send_packet(socket, text.substr(at, kPacket), {}, deadline));
  return {};
}

Result<Frame> receive_frame(int socket, int peer, Deadline deadline) {
  auto packet = TRY(receive_packet(socket, peer, deadline));
  const Head head = TRY(read_head(packet));
  Frame frame = {.text = packet.bytes.substr(sizeof head), .fds = std::move(packet.fds)};
  while (frame.text.size() < head.length) {
    const auto more = TRY(receive_packet(socket, peer, deadline));
    if (!more.fds.empty())
      return internal("helper.frame", "descriptors in the middle of a message");
    frame.text += more.bytes;
  }
  if (frame.text.size() != head.length)
    return internal("helper.frame", "a message longer than its head says");
  return frame;
}

}  // namespace casemate::sys
