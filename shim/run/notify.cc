#include "shim/run/notify.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdio>

#include "shim/plan/compile.h"
#include "shim/warden/container_dir.h"

namespace casemate::run {
namespace {

constexpr const char* kFolder = "notify";
constexpr const char* kName = plan::kNotifySocket.data();

Result<UniqueFd> open_folder(sys::Kernel& kernel, int container_dir) {
  const open_how how{.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
                     .mode = 0,
                     .resolve = RESOLVE_BENEATH};
  return kernel.openat2(container_dir, kFolder, how);
}

struct Address {
  sockaddr_un name{};
  socklen_t size = sizeof(sockaddr_un);
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&name); }
};

Result<Address> caller_address(const std::string& caller) {
  Address out;
  out.name.sun_family = AF_UNIX;
  const bool shaped = caller.starts_with('/') || caller.starts_with('@');
  if (!shaped || caller.size() >= sizeof out.name.sun_path)
    return bad_input("notify.socket", "NOTIFY_SOCKET=" + printable(caller),
                     "it is an absolute path, or @ and an abstract name");
  caller.copy(out.name.sun_path, caller.size());
  if (caller.starts_with('@')) {
    out.name.sun_path[0] = '\0';
    out.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + caller.size());
  }
  return out;
}

// By the folder's descriptor: its path may be too long for an address. The container's user,
// whoever that is, may write to it.
Status bind_in(int folder, int socket) {
  Address address;
  address.name.sun_family = AF_UNIX;
  std::snprintf(address.name.sun_path, sizeof address.name.sun_path, "/proc/self/fd/%d/%s", folder,
                kName);
  if (::unlinkat(folder, kName, 0) != 0 && errno != ENOENT)
    return sys_error("remove an old socket for sd_notify");
  if (::bind(socket, address.get(), address.size) != 0)
    return sys_error("bind the socket for sd_notify");
  if (::fchmodat(folder, kName, 0666, 0) != 0)
    return sys_error("open the socket for sd_notify to the container");
  return {};
}

bool says_ready(std::string_view message) {
  while (!message.empty()) {
    const auto end = message.find('\n');
    if (message.substr(0, end) == "READY=1") return true;
    message.remove_prefix(end == std::string_view::npos ? message.size() : end + 1);
  }
  return false;
}

Status tell(const std::string& caller, pid_t main_pid) {
  const Address address = TRY(caller_address(caller));
  const UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const std::string text = "MAINPID=" + std::to_string(main_pid) + "\nREADY=1\n";
  if (!socket || ::sendto(socket.get(), text.data(), text.size(), MSG_NOSIGNAL, address.get(),
                          address.size) < 0)
    return sys_error("tell NOTIFY_SOCKET that the container is ready");
  return {};
}

}  // namespace

Status check_notify_socket(const std::string& caller) {
  if (!caller.empty()) TRY(caller_address(caller));
  return {};
}

Result<UniqueFd> make_notify_folder(sys::Kernel& kernel, int container_dir) {
  TRY(kernel.mkdirat(container_dir, kFolder, 0755));
  UniqueFd folder = TRY(open_folder(kernel, container_dir));
  TRY(kernel.fchmod(folder.get(), 0755));  // whatever the caller's umask is
  return folder;
}

Result<std::optional<NotifySocket>> NotifySocket::listen(sys::Kernel& kernel, int container_dir,
                                                         const std::string& caller) {
  if (caller.empty()) return std::optional<NotifySocket>();
  auto folder = open_folder(kernel, container_dir);
  if (!folder && folder.error().sys_errno == ENOENT) return std::optional<NotifySocket>();
  if (!folder) return std::unexpected(std::move(folder.error()));
  TRY(caller_address(caller));
  UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return sys_error("make a socket for sd_notify");
  TRY(bind_in(folder->get(), socket.get()));
  return std::optional(NotifySocket(std::move(*folder), std::move(socket), caller));
}

NotifySocket::~NotifySocket() {
  if (folder_) static_cast<void>(::unlinkat(folder_.get(), kName, 0));
}

// Descriptors that come with a message are not taken: the kernel closes them, which is also what
// sd_notify_barrier(3) waits for.
Result<bool> NotifySocket::relay(pid_t main_pid) {
  constexpr int kAtOnce = 16;  // whoever says much does not keep the caller from its other work
  std::array<char, 4096> text;
  for (int message = 0; socket_ && message < kAtOnce; ++message) {
    const ssize_t got = ::recv(socket_.get(), text.data(), text.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return false;
    if (got < 0) return sys_error("read what the container says by sd_notify");
    if (!says_ready({text.data(), static_cast<std::size_t>(got)})) continue;
    socket_.reset();
    TRY(tell(caller_, main_pid));
    return true;
  }
  return false;
}

Status NotifySocket::await_ready(sys::Kernel& kernel, pid_t init, std::uint64_t start_time) {
  const auto pidfd = kernel.pidfd_open(init);
  if (!pidfd && pidfd.error().sys_errno != ESRCH) return std::unexpected(pidfd.error());
  bool lives = pidfd && warden::process_alive(init, start_time);
  // Once more after its end: what it said before counts.
  while (!TRY(relay(init)) && lives) {
    pollfd ready[] = {{.fd = fd(), .events = POLLIN, .revents = 0},
                      {.fd = pidfd->get(), .events = POLLIN, .revents = 0}};
    if (::poll(ready, 2, -1) < 0 && errno != EINTR) return sys_error("wait for sd_notify");
    lives = ready[1].revents == 0;
  }
  return {};
}

}  // namespace casemate::run
