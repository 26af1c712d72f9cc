// sd_notify(3) of a container whose caller waits for it. The container gets a socket of ours in a
// folder of its own, read-only; of all that it may send there READY=1 alone goes on, with the pid
// that the caller is to watch. It never reaches the caller's own socket, which understands more:
// descriptors to keep, another main process, a reload.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "shim/base/result.h"
#include "shim/base/unique_fd.h"
#include "shim/sys/kernel.h"

namespace casemate::run {

// bad_input "notify.socket" unless it is empty, a path, or "@" and an abstract name.
Status check_notify_socket(const std::string& caller);

// The folder in the container's directory, for the mount of a container that is being made.
Result<UniqueFd> make_notify_folder(sys::Kernel& kernel, int container_dir);

class NotifySocket {
 public:
  // Nothing when the container has no such folder, or `caller`, its NOTIFY_SOCKET, is empty.
  static Result<std::optional<NotifySocket>> listen(sys::Kernel& kernel, int container_dir,
                                                    const std::string& caller);
  NotifySocket(NotifySocket&&) = default;
  NotifySocket& operator=(NotifySocket&&) = delete;
  ~NotifySocket();  // nobody listens any more

  int fd() const { return socket_.get(); }  // -1 once the container was ready

  // Reads what is there; true when the container said now that it is ready, of which the caller was
  // told, with `main_pid`.
  Result<bool> relay(pid_t main_pid);

  // Until the container is ready or its init (pid, start time) has ended.
  Status await_ready(sys::Kernel& kernel, pid_t init, std::uint64_t start_time);

 private:
  NotifySocket(UniqueFd folder, UniqueFd socket, std::string caller)
      : folder_(std::move(folder)), socket_(std::move(socket)), caller_(std::move(caller)) {}

  UniqueFd folder_;
  UniqueFd socket_;
  std::string caller_;
};

}  // namespace casemate::run
