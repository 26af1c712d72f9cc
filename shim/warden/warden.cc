#include "shim/warden/warden.h"

#include <malloc.h>
#include <poll.h>
#include <unistd.h>

#include <array>

#include "shim/base/clock.h"
#include "shim/evidence/audit.h"
#include "shim/evidence/receipt.h"
#include "shim/warden/clean_up.h"
#include "shim/warden/control_socket.h"
#include "shim/warden/harden.h"
#include "shim/warden/journal.h"

namespace casemate::warden {
namespace {

using std::chrono::milliseconds;

constexpr int kLateClients = 64;

std::vector<int> borrowed(const std::vector<UniqueFd>& fds) {
  std::vector<int> numbers;
  for (const auto& fd : fds) numbers.push_back(fd.get());
  return numbers;
}

// Found out at create, not when the job has run: evidence can be written.
Status check_evidence(sys::Kernel& kernel, const EvidencePaths& paths) {
  TRY(evidence::AuditLog::open(kernel, paths.audit));
  TRY(evidence::ReceiptKey::load_or_create(kernel, paths.keys));
  return {};
}

}  // namespace

Result<Warden> Warden::make(sys::Kernel& kernel, UniqueFd cli) {
  auto twin = TRY(Twin::fork(kernel, cli.get()));
  return Warden(kernel, std::move(cli), std::move(twin));
}

Status Warden::run() {
  for (;;) {
    const Ready ready = TRY(sleep());
    if (ready.start) end_start();
    if (ready.twin) twin_lost_ = true;
    if (ready.init) return end();
    if (!twin_lost_ && ready.cli && !serve_cli() && !committed_ && !twin_lost_)
      return cancel("the caller ended before commit");
    if (twin_lost_) return committed_ ? end() : cancel("the twin was lost before commit");
    if (ready.listener) accept_client();
    for (const std::size_t index : ready.clients) serve_client(clients_[index]);
    drop_closed();
  }
}

Result<Warden::Ready> Warden::sleep() const {
  const auto source = [](int fd) { return pollfd{.fd = fd, .events = POLLIN, .revents = 0}; };
  constexpr std::size_t kFixed = 5;
  // A negative descriptor is passed over by poll(2).
  std::vector<pollfd> sources = {
      source(cli_.get()), source(twin_.pidfd()), source(committed_ ? holdings_.init.get() : -1),
      source(starting_ ? holdings_.start_socket.get() : -1), source(listener_.get())};
  for (const auto& client : clients_) sources.push_back(source(client.socket.get()));
  while (::poll(sources.data(), sources.size(), -1) < 0)
    if (errno != EINTR) return sys_error("poll");
  Ready ready{.cli = sources[0].revents != 0,
              .twin = sources[1].revents != 0,
              .init = sources[2].revents != 0,
              .start = sources[3].revents != 0,
              .listener = sources[4].revents != 0,
              .clients = {}};
  for (std::size_t i = kFixed; i < sources.size(); ++i)
    if (sources[i].revents != 0) ready.clients.push_back(i - kFixed);
  return ready;
}

// Everything that is queued is taken before holds.json is written, once for all of it.
bool Warden::serve_cli() {
  std::vector<Json> replies;
  while (!committed_) {
    auto packet = receive(kernel_, cli_.get(), milliseconds(0));
    // A socket that cannot be read is as good as closed.
    const std::string_view failed = packet ? std::string_view() : packet.error().rule;
    if (failed == "warden.gone" || failed == "system.call") return false;
    if (failed == "warden.timeout") break;
    auto reply = packet ? take_from_cli(std::move(*packet))
                        : Result<Json>(std::unexpected(std::move(packet.error())));
    if (twin_lost_) return false;
    replies.push_back(reply ? std::move(*reply) : error_reply(reply.error()));
  }
  return answer_cli(std::move(replies));
}

// What is acknowledged stands in holds.json: should both of us be killed, reconcile() knows of it.
bool Warden::answer_cli(std::vector<Json> replies) {
  const Status saved = unsaved_ ? save() : Status();
  bool told = true;
  for (Json& reply : replies) {
    if (!saved && reply.contains("ok")) reply = error_reply(saved.error());
    told = told && send(kernel_, cli_.get(), reply, {}).has_value();
  }
  if (committed_) {
    clients_.push_back({.socket = std::move(cli_), .waits_for = std::nullopt});
    ::malloc_trim(0);
  }
  return told;
}

Result<Json> Warden::take_from_cli(Packet packet) {
  auto message = TRY(parse_message(packet.body));
  switch (message.op) {
    case Message::Op::open:
      return open(std::move(message), packet.body, std::move(packet.fds));
    case Message::Op::commit:
      TRY(commit(message.facts));
      return ok_reply();
    case Message::Op::hold:
    case Message::Op::facts:
      break;
    default:
      return bad_input("warden.message", "the container is not committed yet");
  }
  std::vector<int> fds = borrowed(packet.fds);
  // The start socket stays with one: when the warden dies, an init that waits sees the end.
  if (message.op == Message::Op::hold && message.hold.what == "init" && fds.size() > 1)
    fds.resize(1);
  TRY(holdings_.take(std::move(message), std::move(packet.fds)));
  unsaved_ = true;
  TRY(hand_over(packet.body, fds));
  return ok_reply();
}

Result<Json> Warden::open(Message message, const Json& body, std::vector<UniqueFd> fds) {
  TRY(check_evidence(kernel_, message.open.evidence));
  const std::vector<int> numbers = borrowed(fds);
  TRY(holdings_.take(std::move(message), std::move(fds)));
  unsaved_ = true;
  TRY(hand_over(body, numbers));
  Json reply = ok_reply();
  reply["twin"] = twin_.pid();
  return reply;
}

Status Warden::commit(Json facts) {
  if (!holdings_.opened() || !holdings_.init)
    return bad_input("warden.message", "there is no init to commit");
  auto journal = TRY(Journal::open(kernel_, holdings_.dir().fd()));
  TRY(journal.enter(State::created));
  facts["times"]["created"] = now_rfc3339();
  holdings_.merge_facts(facts);
  TRY(hand_over({{"op", "commit"}, {"facts", facts}}, {}));
  TRY(save());
  listener_ = TRY(listen_control(holdings_.dir().fd()));
  state_ = State::created;
  committed_ = true;
  return {};
}

Status Warden::hand_over(const Json& body, std::span<const int> fds) {
  auto taken = twin_.forward(body, fds);
  if (!taken) twin_lost_ = true;
  return taken;
}

Status Warden::record_time(const char* name) {
  return merge_everywhere({{"times", {{name, now_rfc3339()}}}});
}

Status Warden::merge_everywhere(const Json& facts) {
  holdings_.merge_facts(facts);
  TRY(hand_over({{"op", "facts"}, {"facts", facts}}, {}));
  return save();
}

Status Warden::save() {
  TRY(holdings_.save());
  unsaved_ = false;
  return {};
}

Status Warden::end() {
  if (starting_) end_start();
  auto journal = Journal::open(kernel_, holdings_.dir().fd());
  if (journal && journal->enter(State::stopped)) state_ = State::stopped;
  tell_waiters();
  const auto finished =
      finish(kernel_, holdings_, {.warden = true, .twin = !twin_lost_ && twin_.alive()});
  twin_.dismiss();  // its copies of the mounts go, and with them the memory
  if (!finished) return finished;
  state_ = State::wiped;
  for (int late = 0; late < kLateClients; ++late) {
    pollfd waiting{.fd = listener_.get(), .events = POLLIN, .revents = 0};
    if (::poll(&waiting, 1, 0) <= 0) break;
    accept_client();
  }
  for (auto& client : clients_) {
    pollfd asking{.fd = client.socket.get(), .events = POLLIN, .revents = 0};
    if (!client.waits_for && ::poll(&asking, 1, 0) > 0) serve_client(client);
  }
  tell_waiters();
  holdings_ =
      Holdings(kernel_);  // the life lock before the connections: await_wiped() counts on it
  return {};
}

Status Warden::cancel(const std::string& reason) {
  const auto rolled_back = roll_back(kernel_, holdings_, reason);
  twin_.dismiss();
  return rolled_back;
}

}  // namespace casemate::warden
