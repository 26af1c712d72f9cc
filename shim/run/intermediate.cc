#include "shim/run/intermediate.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "shim/fs/host_file.h"
#include "shim/plan/names.h"
#include "shim/run/child_side.h"
#include "shim/sys/helper.h"

namespace casemate::run {
namespace {

constexpr std::size_t kMaxMessage = 64 << 10;

// The user namespace last: with the host's rights every other one can be joined.
Status join_all(sys::Kernel& kernel, std::vector<JoinedNamespace>& joined) {
  std::ranges::stable_partition(
      joined, [](const JoinedNamespace& one) { return one.type != oci::NamespaceType::user; });
  for (const JoinedNamespace& one : joined)
    TRY(kernel.setns(one.fd.get(), static_cast<int>(plan::clone_flag(one.type))));
  joined.clear();
  return {};
}

Result<sys::Child> join_and_clone(sys::Kernel& kernel, const IntermediateArguments& arguments) {
  // A warden that waits for its caller's end must not wait for us.
  for (const int fd : arguments.not_for_init) ::close(fd);
  TRY(join_all(kernel, arguments.joined));
  TRY(kernel.prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0));  // cleared by the change of rights
  return kernel.clone3({.flags = arguments.flags | CLONE_PARENT});
}

Status tell(sys::Kernel& kernel, int socket, const Result<sys::Child>& init) {
  if (!init) return say(kernel, socket, 'E', dump(sys::error_to_json(init.error())));
  const int fds[] = {init->pidfd.get()};
  return kernel.send(socket, "I", fds);
}

// The number in the namespace of the reader's procfs, wherever the intermediate was.
Result<pid_t> pid_of(sys::Kernel& kernel, int pidfd) {
  const std::string text =
      TRY(fs::read_file(kernel, "/proc/self/fdinfo/" + std::to_string(pidfd), kMaxMessage));
  const auto at = text.find("Pid:");
  const auto digits = text.find_first_of("0123456789", at);
  pid_t pid = 0;
  if (at != std::string::npos && digits != std::string::npos)
    std::from_chars(text.data() + digits, text.data() + text.size(), pid);
  if (pid > 0) return pid;
  return internal("init.died", "the container's process died while it was prepared");
}

Result<sys::Child> receive_child(sys::Kernel& kernel, int socket,
                                 std::chrono::milliseconds deadline) {
  pollfd told{.fd = socket, .events = POLLIN, .revents = 0};
  if (::poll(&told, 1, static_cast<int>(deadline.count())) == 0)
    return internal("init.deadline", "the process that enters the namespaces does not answer",
                    "is it stopped, or a control group above it frozen?");
  sys::Kernel::Message message = TRY(kernel.recv(socket, kMaxMessage));
  if (message.bytes.starts_with('E'))
    return std::unexpected(
        sys::error_from_json(TRY(parse_json(std::string_view(message.bytes).substr(1)))));
  if (message.bytes != "I" || message.fds.size() != 1)
    return internal("init.died", "the process that was to make the container's first one died");
  const pid_t pid = TRY(pid_of(kernel, message.fds[0].get()));
  return sys::Child{pid, std::move(message.fds[0])};
}

}  // namespace

Result<sys::Child> clone_through_intermediate(sys::Kernel& kernel,
                                              const IntermediateArguments& arguments) {
  TRY(kernel.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0));
  if (::prctl(PR_GET_DUMPABLE) != 0)
    return internal("readback.dumpable", "this process could be traced from the container");
  auto [ours, theirs] = TRY(kernel.socketpair(SOCK_SEQPACKET));
  const sys::Child intermediate =
      TRY(kernel.clone3({.flags = 0, .cgroup_fd = arguments.v2_cgroup}));
  if (intermediate.pid == 0) {
    ours.reset();
    auto init = join_and_clone(kernel, arguments);
    if (init && init->pid == 0) return init;
    const Status told = tell(kernel, theirs.get(), init);
    ::_exit(told ? 0 : 1);
  }
  theirs.reset();
  auto child = receive_child(kernel, ours.get(), arguments.deadline);
  ::kill(intermediate.pid, SIGKILL);  // it has done what it can
  static_cast<void>(::waitpid(intermediate.pid, nullptr, 0));
  return child;
}

}  // namespace casemate::run
