// Messages with descriptors over AF_UNIX sockets.
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstring>

#include "shim/sys/real_kernel.h"
#include "shim/sys/syscall.h"

namespace casemate::sys {
namespace {

constexpr std::size_t kMostDescriptors = 253;  // SCM_MAX_FD of the kernel

struct alignas(cmsghdr) ControlBuffer {
  char bytes[CMSG_SPACE(kMostDescriptors * sizeof(int))];
};

// Takes every descriptor that came, so that none leaks when the message is refused afterwards.
std::vector<UniqueFd> take_descriptors(msghdr& header) {
  std::vector<UniqueFd> fds;
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
      fds.emplace_back(fd);
    }
  }
  return fds;
}

}  // namespace

Result<std::pair<UniqueFd, UniqueFd>> RealKernel::socketpair(int type) {
  int ends[2];
  if (::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) == -1) return sys_error("socketpair");
  return std::pair(UniqueFd(ends[0]), UniqueFd(ends[1]));
}

Status RealKernel::send(int socket, std::string_view message, std::span<const int> fds) {
  if (message.empty() || fds.size() > kMostDescriptors) return sys_error("sendmsg", EINVAL);
  ControlBuffer control = {};
  iovec part = {.iov_base = const_cast<char*>(message.data()), .iov_len = message.size()};
  msghdr header = {};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  if (!fds.empty()) {
    header.msg_control = control.bytes;
    header.msg_controllen = CMSG_SPACE(fds.size_bytes());
    cmsghdr* rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(fds.size_bytes());
    std::memcpy(CMSG_DATA(rights), fds.data(), fds.size_bytes());
  }
  const ssize_t sent = uninterrupted([&] { return ::sendmsg(socket, &header, MSG_NOSIGNAL); });
  if (sent == -1) return sys_error("sendmsg");
  // Only a stream can take a part; half a message is none.
  if (static_cast<std::size_t>(sent) != message.size()) return sys_error("sendmsg", EMSGSIZE);
  return {};
}

namespace {

// What the next packet needs, which stays. An error that only this look is told of (a reset) hides
// packets that are still to come: they get all the room.
std::size_t room_for_next(int socket, std::size_t at_most) {
  constexpr std::size_t kShort = 4096;
  if (at_most <= kShort) return at_most;
  msghdr header = {};
  const ssize_t size =
      uninterrupted([&] { return ::recvmsg(socket, &header, MSG_PEEK | MSG_TRUNC); });
  return size < 0 ? at_most : std::clamp(static_cast<std::size_t>(size), kShort, at_most);
}

}  // namespace

Result<Kernel::Message> RealKernel::recv(int socket, std::size_t at_most) {
  ControlBuffer control;
  Message message;
  iovec part = {};
  msghdr header = {};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control.bytes;
  header.msg_controllen = sizeof control.bytes;
  ssize_t got = 0;
  message.bytes.resize_and_overwrite(
      room_for_next(socket, at_most), [&](char* buffer, std::size_t size) {
        part = {.iov_base = buffer, .iov_len = size};
        got = uninterrupted([&] { return ::recvmsg(socket, &header, MSG_CMSG_CLOEXEC); });
        return static_cast<std::size_t>(std::max<ssize_t>(got, 0));
      });
  if (got == -1) return sys_error("recvmsg");
  message.fds = take_descriptors(header);
  if ((header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) return sys_error("recvmsg", EMSGSIZE);
  if (got == 0) message.fds.clear();
  return message;
}

}  // namespace casemate::sys
