#include "shim/run/console.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

namespace casemate::run {
namespace {

Result<UniqueFd> connect_console(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return bad_input("console.socket", "the path of the console socket is too long");
  path.copy(address.sun_path, path.size());
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return sys_error("socket for the console");
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return sys_error("connect to console socket " + path);
  return socket;
}

}  // namespace

Result<Console> open_console(sys::Kernel& kernel, const ConsoleRequest& request) {
  if (!request.terminal && !request.socket.empty())
    return bad_input("console.socket", "--console-socket is given and no terminal is asked for",
                     "set \"terminal\" to true, or leave the option out", "/process/terminal");
  Console console;
  if (!request.terminal) return console;
  if (!request.socket.empty()) {
    console.socket = TRY(connect_console(request.socket));
  } else if (request.own) {
    std::tie(console.socket, console.own) = TRY(kernel.socketpair(SOCK_SEQPACKET));
  } else {
    return unsupported("console.socket", "nobody would take the terminal of a detached process",
                       "give --console-socket, or set \"terminal\" to false", "/process/terminal");
  }
  return console;
}

Result<UniqueFd> receive_terminal(sys::Kernel& kernel, const Console& console) {
  // It was sent before the process said that it stands: nothing to wait for.
  pollfd ready{.fd = console.own.get(), .events = POLLIN, .revents = 0};
  if (::poll(&ready, 1, 0) != 1) return internal("console.master", "no terminal was sent");
  auto message = TRY(kernel.recv(console.own.get(), 64));
  if (message.fds.size() != 1) return internal("console.master", "no terminal was sent");
  return std::move(message.fds[0]);
}

}  // namespace casemate::run
