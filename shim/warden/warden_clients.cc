// The warden's answers on its control socket.
#include <poll.h>
#include <signal.h>

#include "shim/base/clock.h"
#include "shim/evidence/audit.h"
#include "shim/sys/helper.h"
#include "shim/warden/clean_up.h"
#include "shim/warden/control_socket.h"
#include "shim/warden/journal.h"
#include "shim/warden/warden.h"

namespace casemate::warden {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kMostClients = 256;

// What init says before exec: nothing (it has executed), or what failed.
Status read_start(sys::Kernel& kernel, int socket) {
  auto message = kernel.recv(socket, kMaxMessage);
  if (!message || message->bytes.empty()) return {};
  const auto body = parse_json(message->bytes);
  if (!body) return internal("start.reply", "init's answer makes no sense");
  return std::unexpected(sys::error_from_json(*body));
}

// What the receipt says of it, besides what it says of the create.
Json facts_of(const Update& update) {
  Json facts = {{"updatedPlan", update.plan},
                {"updatedProfile", update.profile},
                {"times", {{"updated", now_rfc3339()}}}};
  if (update.tainted) facts["profile"] = {{"tainted", true}};
  return facts;
}

}  // namespace

void Warden::accept_client() {
  auto peer = accept_root(listener_.get());
  if (peer && *peer && clients_.size() < kMostClients)
    clients_.push_back({.socket = std::move(*peer), .waits_for = std::nullopt});
}

void Warden::serve_client(Client& client) {
  const auto packet = receive(kernel_, client.socket.get(), milliseconds(0));
  if (!packet && packet.error().rule != "json.syntax") {
    client.socket.reset();
    return;
  }
  auto reply = [&]() -> Result<std::optional<Json>> {
    if (!packet) return std::unexpected(packet.error());
    const auto message = TRY(parse_message(packet->body));
    return answer(client, message);
  }();
  if (reply && !*reply) return;  // told later
  if (!send(kernel_, client.socket.get(), reply ? **reply : error_reply(reply.error()), {}))
    client.socket.reset();
}

Result<std::optional<Json>> Warden::answer(Client& client, const Message& message) {
  switch (message.op) {
    case Message::Op::status: {
      Json reply = ok_reply();
      reply["state"] = to_string(state_);
      reply["initAlive"] = holdings_.init_alive();
      return reply;
    }
    case Message::Op::wait:
      if (reached(state_, message.target)) return ok_reply();
      client.waits_for = message.target;
      return std::nullopt;
    case Message::Op::kill:
      if (!holdings_.init_alive())
        return bad_input("container.stopped", "the container's init has ended");
      TRY(kernel_.pidfd_send_signal(holdings_.init.get(), message.signal));
      if (message.signal == SIGKILL) TRY(end_paused(kernel_, holdings_));
      return ok_reply();
    case Message::Op::updated:
      TRY(merge_everywhere(facts_of(message.update)));
      return ok_reply();
    case Message::Op::start:
      TRY(begin_start(client));
      return std::nullopt;
    default:
      return bad_input("warden.message", "the container is committed");
  }
}

Status Warden::begin_start(Client& client) {
  if (state_ != State::created || starting_)
    return bad_input("container.state",
                     "a container is started once, after create; this one is " +
                         std::string(oci_status(state_, holdings_.init_alive())),
                     "create a new container");
  TRY(kernel_.send(holdings_.start_socket.get(), "g", {}));
  starting_ = true;
  client.starts = true;
  return {};
}

// The start socket has spoken, or init is dead.
void Warden::end_start() {
  starting_ = false;
  auto started = read_start(kernel_, holdings_.start_socket.get());
  holdings_.start_socket.reset();
  if (started) {
    auto journal = Journal::open(kernel_, holdings_.dir().fd());
    started = journal ? journal->enter(State::running)
                      : Status(std::unexpected(std::move(journal.error())));
    if (started) state_ = State::running;
  }
  for (auto& client : clients_) {
    if (!client.starts) continue;
    client.starts = false;
    const Json reply = started ? ok_reply() : error_reply(started.error());
    if (!send(kernel_, client.socket.get(), reply, {})) client.socket.reset();
  }
  if (!started) return;
  (void)record_time("started");  // a lost twin shows in poll(2)
  auto audit = evidence::AuditLog::open(kernel_, holdings_.evidence.audit);
  if (audit)
    (void)audit->append("start", holdings_.dir().id(), {{"root", holdings_.facts["root"]}});
}

void Warden::drop_closed() {
  std::erase_if(clients_, [](const Client& client) { return !client.socket; });
}

void Warden::tell_waiters() {
  for (auto& client : clients_) {
    if (!client.waits_for || !reached(state_, *client.waits_for)) continue;
    client.waits_for.reset();
    if (!send(kernel_, client.socket.get(), ok_reply(), {})) client.socket.reset();
  }
  drop_closed();
}

}  // namespace casemate::warden
