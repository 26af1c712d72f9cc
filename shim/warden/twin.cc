#include "shim/warden/twin.h"

#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>

#include "shim/warden/clean_up.h"
#include "shim/warden/journal.h"

namespace casemate::warden {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kAcknowledge{5'000};
constexpr milliseconds kFarewell{2'000};

// The twin's side.
class Sleeper {
 public:
  Sleeper(sys::Kernel& kernel, UniqueFd channel, UniqueFd warden)
      : kernel_(kernel),
        holdings_(kernel),
        channel_(std::move(channel)),
        warden_(std::move(warden)) {}

  // Until the warden says that all is done, or is dead.
  int run() {
    for (;;) {
      std::array<pollfd, 2> sources = {pollfd{.fd = channel_.get(), .events = POLLIN, .revents = 0},
                                       pollfd{.fd = warden_.get(), .events = POLLIN, .revents = 0}};
      if (::poll(sources.data(), sources.size(), -1) < 0 && errno != EINTR) return take_over();
      // What was handed over before the warden died comes first.
      if (sources[0].revents != 0) {
        if (!serve()) return done_ ? 0 : take_over();
      } else if (sources[1].revents != 0) {
        return take_over();
      }
    }
  }

 private:
  bool serve() {
    auto packet = receive(kernel_, channel_.get(), milliseconds(0));
    if (!packet) return false;
    if (packet->body == Json({{"op", "done"}})) {
      done_ = true;
      return false;
    }
    const auto taken = take(packet->body, std::move(packet->fds));
    const Json reply = taken ? ok_reply() : error_reply(taken.error());
    if (committed_) ::malloc_trim(0);  // what follows comes hours apart
    return send(kernel_, channel_.get(), reply, {}).has_value();
  }

  Status take(const Json& body, std::vector<UniqueFd> fds) {
    auto message = TRY(parse_message(body));
    if (message.op != Message::Op::commit)
      return holdings_.take(std::move(message), std::move(fds));
    holdings_.merge_facts(message.facts);
    committed_ = true;
    return {};
  }

  int take_over() {
    // A broken channel with a living warden: two may not clean up at once, and a warden that does
    // not keep its twin is no warden.
    if (pidfd_alive(warden_.get())) {
      (void)kernel_.pidfd_send_signal(warden_.get(), SIGKILL);
      pollfd end{.fd = warden_.get(), .events = POLLIN, .revents = 0};
      (void)::poll(&end, 1, static_cast<int>(kAcknowledge.count()));
    }
    if (!holdings_.opened()) return 0;
    const auto state = journal_state(kernel_, holdings_.dir().fd());
    if (state && reached(*state, State::wiped)) return 0;
    const auto done = committed_
                          ? finish(kernel_, holdings_, {.warden = false, .twin = true})
                          : roll_back(kernel_, holdings_, "the warden was lost before commit");
    return done ? 0 : done.error().exit_code();
  }

  sys::Kernel& kernel_;
  Holdings holdings_;
  UniqueFd channel_;
  UniqueFd warden_;
  bool committed_ = false;
  bool done_ = false;
};

}  // namespace

Result<Twin> Twin::fork(sys::Kernel& kernel, int cli_socket) {
  auto [ours, theirs] = TRY(kernel.socketpair(SOCK_SEQPACKET));
  auto warden = TRY(kernel.pidfd_open(::getpid()));
  auto child = TRY(kernel.clone3({}));
  if (child.pid != 0) return Twin(kernel, std::move(ours), std::move(child.pidfd), child.pid);
  ours.reset();
  ::close(cli_socket);
  (void)kernel.prctl(PR_SET_NAME, reinterpret_cast<unsigned long>("casemate-twin"), 0, 0, 0);
  ::_exit(Sleeper(kernel, std::move(theirs), std::move(warden)).run());
}

Status Twin::forward(const Json& body, std::span<const int> fds) {
  TRY(send(*kernel_, channel_.get(), body, fds));
  const auto packet = TRY(receive(*kernel_, channel_.get(), kAcknowledge));
  TRY(open_reply(packet.body));
  return {};
}

bool Twin::alive() const {
  return pidfd_alive(pidfd_.get());
}

void Twin::dismiss() {
  const bool told = send(*kernel_, channel_.get(), {{"op", "done"}}, {}).has_value();
  pollfd end{.fd = pidfd_.get(), .events = POLLIN, .revents = 0};
  if (!told || ::poll(&end, 1, static_cast<int>(kFarewell.count())) <= 0)
    (void)kernel_->pidfd_send_signal(pidfd_.get(), SIGKILL);
  siginfo_t info{};
  (void)::waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(pidfd_.get()), &info, WEXITED);
}

}  // namespace casemate::warden
