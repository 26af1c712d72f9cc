#include "shim/warden/control_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdio>

namespace casemate::warden {
namespace {

constexpr int kBacklog = 64;

sockaddr_un address_in(int dir) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/control", dir);
  return address;
}

Result<UniqueFd> make_socket() {
  UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!socket) return sys_error("make the control socket");
  return socket;
}

}  // namespace

Result<UniqueFd> listen_control(int container_dir) {
  auto socket = TRY(make_socket());
  const sockaddr_un address = address_in(container_dir);
  if (::unlinkat(container_dir, "control", 0) != 0 && errno != ENOENT)
    return sys_error("remove an old control socket");
  // bind creates the file with the mode of the socket's inode, minus the umask.
  if (::fchmod(socket.get(), 0600) != 0) return sys_error("protect the control socket");
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return sys_error("bind the control socket");
  if (::listen(socket.get(), kBacklog) != 0) return sys_error("listen on the control socket");
  return socket;
}

Result<UniqueFd> connect_control(int container_dir) {
  auto socket = TRY(make_socket());
  const sockaddr_un address = address_in(container_dir);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
    return socket;
  if (errno == ECONNREFUSED || errno == ENOENT)
    return internal("warden.gone", "the container's warden has ended");
  return sys_error("connect to the warden");
}

Result<UniqueFd> accept_root(int listener) {
  UniqueFd peer(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
  if (!peer) return sys_error("accept on the control socket");
  ucred who{};
  socklen_t size = sizeof who;
  if (::getsockopt(peer.get(), SOL_SOCKET, SO_PEERCRED, &who, &size) != 0 || who.uid != 0)
    return UniqueFd();
  return peer;
}

}  // namespace casemate::warden
