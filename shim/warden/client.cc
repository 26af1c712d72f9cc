#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>

#include "shim/sys/inherited.h"
#include "shim/warden/control_socket.h"
#include "shim/warden/protocol.h"

namespace casemate::warden {
namespace {

using std::chrono::milliseconds;

constexpr int kWardenSocket = 3;

// In the child: 0–2 are /dev/null, 3 the socket, and nothing else is open.
Status become_warden(sys::Kernel& kernel, const std::string& program, int socket) {
  const int above = ::fcntl(socket, F_DUPFD_CLOEXEC, kWardenSocket + 1);
  if (above < 0) return sys_error("duplicate the warden's socket");
  const open_how how{.flags = O_RDWR | O_CLOEXEC, .mode = 0, .resolve = 0};
  const UniqueFd null = TRY(kernel.openat2(AT_FDCWD, "/dev/null", how));
  for (int fd = 0; fd < kWardenSocket; ++fd) TRY(kernel.dup2(null.get(), fd));
  TRY(kernel.dup2(above, kWardenSocket));
  // Over any other socket it would wait for ever.
  struct stat wanted{}, found{};
  if (::fstat(above, &wanted) != 0 || ::fstat(kWardenSocket, &found) != 0 ||
      wanted.st_ino != found.st_ino)
    return internal("readback.descriptor", "the warden's socket is not where it looks for it");
  TRY(kernel.close_range(kWardenSocket + 1, ~0U, CLOSE_RANGE_CLOEXEC));
  sys::reset_signals();
  return kernel.execveat(AT_FDCWD, program, {"casemate-warden"}, {}, 0);
}

// Moving a process into a v2 cgroup waits for an RCU grace period with the lock held that all
// cgroups share; being born in it costs nothing. A cgroup that takes nobody is left to the warden.
// We stand still until it executes, and then finds a processor of its own; otherwise it would often
// wait for ours until we wait for it.
Result<sys::Child> clone_warden(sys::Kernel& kernel, int v2_cgroup) {
  if (v2_cgroup >= 0)
    if (auto child = kernel.clone3({.flags = CLONE_VFORK, .cgroup_fd = v2_cgroup})) return child;
  return kernel.clone3({.flags = CLONE_VFORK});
}

}  // namespace

Result<WardenClient> WardenClient::spawn(sys::Kernel& kernel, const std::string& program,
                                         const Options& options) {
  if (!program.starts_with('/'))
    return bad_input("warden.program", "the warden's path is not absolute: " + program);
  auto [ours, theirs] = TRY(kernel.socketpair(SOCK_SEQPACKET));
  const sys::Child child = TRY(clone_warden(kernel, options.v2_cgroup));
  if (child.pid != 0) {
    WardenClient client(kernel, std::move(ours), options.deadline);
    client.warden_pid_ = child.pid;
    return client;
  }
  const Status failed = become_warden(kernel, program, theirs.get());
  // The answer to the first question.
  static_cast<void>(send(kernel, theirs.get(), error_reply(failed.error()), {}));
  ::_exit(failed.error().exit_code());
}

Result<WardenClient> WardenClient::connect(sys::Kernel& kernel, int container_dir) {
  return WardenClient(kernel, TRY(connect_control(container_dir)), kAnswerDeadline);
}

Status WardenClient::post(const Json& body, std::span<const int> fds) {
  const Status sent = send(*kernel_, socket_.get(), body, fds);
  // A warden that could not even begin has gone, and has left word.
  if (!sent && sent.error().rule != "warden.gone") return sent;
  ++posted_;
  return {};
}

Result<Json> WardenClient::answer(milliseconds deadline) {
  --posted_;
  const auto packet = TRY(receive(*kernel_, socket_.get(), deadline));
  Json reply = TRY(open_reply(packet.body));
  auto object = TRY(JsonObject::of(reply));
  twin_pid_ = static_cast<pid_t>(TRY(object.get_or<std::int64_t>("twin", twin_pid_)));
  return reply;
}

Status WardenClient::acknowledged() {
  while (posted_ > 0) TRY(answer(deadline_));
  return {};
}

Result<Json> WardenClient::call(const Json& body, std::span<const int> fds, milliseconds deadline) {
  TRY(acknowledged());
  TRY(post(body, fds));
  return answer(deadline);
}

Status WardenClient::open(const Open& request, int dir) {
  const std::array<int, 1> fds = {dir};
  return post(to_json(request), fds);
}

Status WardenClient::hold_mount(std::string_view what, int mount) {
  const std::array<int, 1> fds = {mount};
  return post(to_json(Hold{.what = std::string(what)}), fds);
}

Status WardenClient::hold_cgroup(const Json& saved, std::string_view intended) {
  const Json data = {{"saved", saved}, {"intended", intended}};
  return post(to_json(Hold{.what = "cgroup", .data = data}));
}

Status WardenClient::intend_cgroup(std::string_view path) {
  return post(to_json(Hold{.what = "cgroup-intent", .data = {{"path", path}}}));
}

Status WardenClient::hold_init(pid_t pid, int pidfd, int start_socket) {
  const std::array<int, 2> fds = {pidfd, start_socket};
  return post(to_json(Hold{.what = "init", .data = {{"pid", pid}}}), fds);
}

Status WardenClient::commit(const Json& facts) {
  TRY(call({{"op", "commit"}, {"facts", facts}}));
  return {};
}

Status WardenClient::start(milliseconds deadline) {
  TRY(call({{"op", "start"}}, {}, deadline));
  return {};
}

Result<Standing> WardenClient::status() {
  const Json reply = TRY(call({{"op", "status"}}));
  auto object = TRY(JsonObject::of(reply));
  const auto state = state_from_string(TRY(object.get<std::string>("state")));
  if (!state) return internal("warden.reply", "the warden's answer makes no sense");
  return Standing{.state = *state, .init_alive = TRY(object.get_or<bool>("initAlive", false))};
}

Status WardenClient::kill(int signal) {
  TRY(call({{"op", "kill"}, {"signal", signal}}));
  return {};
}

Status WardenClient::updated(const Update& update) {
  TRY(call({{"op", "updated"},
            {"plan", update.plan},
            {"profile", update.profile},
            {"tainted", update.tainted}}));
  return {};
}

Status WardenClient::wait(State target, milliseconds deadline) {
  TRY(call({{"op", "wait"}, {"for", to_string(target)}}, {}, deadline));
  return {};
}

}  // namespace casemate::warden
