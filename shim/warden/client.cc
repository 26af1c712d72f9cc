#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>

#include <array>

#include "shim/warden/control_socket.h"
#include "shim/warden/protocol.h"

namespace casemate::warden {
namespace {

using std::chrono::milliseconds;

constexpr int kWardenSocket = 3;

// posix_spawn's two arguments, destroyed whatever happens.
class SpawnPlan {
 public:
  SpawnPlan() {
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_init(&attributes_);
  }
  ~SpawnPlan() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;

  int prepare(int socket) {
    sigset_t all;
    sigset_t none;
    sigfillset(&all);
    sigemptyset(&none);
    int failed = posix_spawn_file_actions_adddup2(&actions_, socket, kWardenSocket);
    for (int fd = 0; fd < kWardenSocket && failed == 0; ++fd)
      failed = posix_spawn_file_actions_addopen(&actions_, fd, "/dev/null", O_RDWR, 0);
    if (failed == 0)
      failed = posix_spawn_file_actions_addclosefrom_np(&actions_, kWardenSocket + 1);
    if (failed == 0) failed = posix_spawnattr_setsigdefault(&attributes_, &all);
    if (failed == 0) failed = posix_spawnattr_setsigmask(&attributes_, &none);
    if (failed == 0)
      failed = posix_spawnattr_setflags(
          &attributes_, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    return failed;
  }
  int run(const std::string& program) {
    pid_t pid = -1;
    const std::array<char*, 2> args = {const_cast<char*>("casemate-warden"), nullptr};
    const std::array<char*, 1> environment = {nullptr};
    return ::posix_spawn(&pid, program.c_str(), &actions_, &attributes_, args.data(),
                         environment.data());
  }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

}  // namespace

Result<WardenClient> WardenClient::spawn(sys::Kernel& kernel, const std::string& program,
                                         milliseconds deadline) {
  if (!program.starts_with('/'))
    return bad_input("warden.program", "the warden's path is not absolute: " + program);
  auto [ours, theirs] = TRY(kernel.socketpair(SOCK_SEQPACKET));
  SpawnPlan plan;
  int failed = plan.prepare(theirs.get());
  if (failed == 0) failed = plan.run(program);
  if (failed != 0) {
    errno = failed;
    return sys_error("start " + program);
  }
  return WardenClient(kernel, std::move(ours), deadline);
}

Result<WardenClient> WardenClient::connect(sys::Kernel& kernel, int container_dir) {
  return WardenClient(kernel, TRY(connect_control(container_dir)));
}

Result<Json> WardenClient::call(const Json& body, std::span<const int> fds, milliseconds deadline) {
  TRY(send(*kernel_, socket_.get(), body, fds));
  const auto packet = TRY(receive(*kernel_, socket_.get(), deadline));
  return open_reply(packet.body);
}

Status WardenClient::open(const Open& request, int dir) {
  const std::array<int, 1> fds = {dir};
  const Json reply = TRY(call(to_json(request), fds));
  warden_pid_ = reply.value("warden", 0);
  twin_pid_ = reply.value("twin", 0);
  return {};
}

Status WardenClient::hold_mount(std::string_view what, int mount) {
  const std::array<int, 1> fds = {mount};
  TRY(call(to_json(Hold{.what = std::string(what)}), fds));
  return {};
}

Status WardenClient::hold_cgroup(const Json& saved, bool parents) {
  const Json data = {{"saved", saved}, {"parents", parents}};
  TRY(call(to_json(Hold{.what = "cgroup", .data = data})));
  return {};
}

Status WardenClient::intend_cgroup(std::string_view path) {
  TRY(call(to_json(Hold{.what = "cgroup-intent", .data = {{"path", path}}})));
  return {};
}

Status WardenClient::hold_init(pid_t pid, int pidfd, int start_socket) {
  const std::array<int, 2> fds = {pidfd, start_socket};
  TRY(call(to_json(Hold{.what = "init", .data = {{"pid", pid}}}), fds));
  return {};
}

Status WardenClient::facts(const Json& merge) {
  TRY(call({{"op", "facts"}, {"facts", merge}}));
  return {};
}

Status WardenClient::commit() {
  TRY(call({{"op", "commit"}}));
  return {};
}

Status WardenClient::start(milliseconds deadline) {
  TRY(call({{"op", "start"}}, {}, deadline));
  return {};
}

Result<Standing> WardenClient::status() {
  const Json reply = TRY(call({{"op", "status"}}));
  const auto state = state_from_string(reply.value("state", std::string()));
  if (!state) return internal("warden.reply", "the warden's answer makes no sense");
  return Standing{.state = *state, .init_alive = reply.value("initAlive", false)};
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
