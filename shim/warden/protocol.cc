#include "shim/warden/protocol.h"

#include <poll.h>

#include <array>

#include "shim/base/clock.h"
#include "shim/sys/helper.h"

namespace casemate::warden {
namespace {

constexpr std::array<std::pair<std::string_view, Message::Op>, 9> kOps = {{
    {"open", Message::Op::open},
    {"hold", Message::Op::hold},
    {"facts", Message::Op::facts},
    {"commit", Message::Op::commit},
    {"start", Message::Op::start},
    {"status", Message::Op::status},
    {"kill", Message::Op::kill},
    {"wait", Message::Op::wait},
    {"updated", Message::Op::updated},
}};

Result<Message::Op> op_of(const std::string& name) {
  for (const auto& [text, op] : kOps)
    if (text == name) return op;
  return bad_input("warden.message", "unknown operation \"" + printable(name) + "\"");
}

Result<Json> take_object(JsonObject& object, std::string_view key) {
  const auto inner = TRY(object.find_object(key));
  return inner ? inner->raw() : Json::object();
}

Result<Open> parse_open(JsonObject& object) {
  Open open;
  open.id = TRY(object.get<std::string>("id"));
  open.root = TRY(object.get<std::string>("root"));
  auto evidence = TRY(object.object("evidence"));
  open.evidence.audit = TRY(evidence.get<std::string>("audit"));
  open.evidence.receipts = TRY(evidence.get<std::string>("receipts"));
  open.evidence.keys = TRY(evidence.get<std::string>("keys"));
  TRY(evidence.done());
  open.facts = TRY(take_object(object, "facts"));
  return open;
}

Result<Hold> parse_hold(JsonObject& object) {
  Hold hold;
  hold.what = TRY(object.get<std::string>("what"));
  hold.data = TRY(take_object(object, "data"));
  const bool mount =
      hold.what == "upper" || hold.what.starts_with("dataset:") || hold.what.starts_with("tmpfs:");
  if (!mount && hold.what != "cgroup" && hold.what != "cgroup-intent" && hold.what != "init")
    return bad_input("warden.message",
                     "nothing to hold is called \"" + printable(hold.what) + "\"");
  return hold;
}

Result<State> parse_target(JsonObject& object) {
  const auto name = TRY(object.get<std::string>("for"));
  const auto state = state_from_string(name);
  if (!state || (*state != State::stopped && *state != State::wiped))
    return bad_input("warden.message", "one waits for STOPPED or WIPED only");
  return *state;
}

Result<int> parse_signal(JsonObject& object) {
  const auto number = TRY(object.get<std::int64_t>("signal"));
  if (number < 0 || number > 64) return bad_input("warden.signal", "no such signal");
  return static_cast<int>(number);
}

Result<std::string> take_digest(JsonObject& object, std::string_view key) {
  constexpr std::string_view kAlgorithm = "sha256:";
  auto digest = TRY(object.get<std::string>(key));
  const bool shaped =
      digest.size() == kAlgorithm.size() + 64 && digest.starts_with(kAlgorithm) &&
      digest.find_first_not_of("0123456789abcdef", kAlgorithm.size()) == std::string::npos;
  if (!shaped) return bad_input("warden.message", "a digest is sha256: and 64 digits");
  return digest;
}

Result<Update> parse_update(JsonObject& object) {
  Update update;
  update.plan = TRY(take_digest(object, "plan"));
  update.profile = TRY(take_digest(object, "profile"));
  update.tainted = TRY(object.get<bool>("tainted"));
  return update;
}

Status parse_arguments(JsonObject& object, Message& message) {
  switch (message.op) {
    case Message::Op::open:
      message.open = TRY(parse_open(object));
      break;
    case Message::Op::hold:
      message.hold = TRY(parse_hold(object));
      break;
    case Message::Op::facts:
    case Message::Op::commit:
      message.facts = TRY(take_object(object, "facts"));
      break;
    case Message::Op::kill:
      message.signal = TRY(parse_signal(object));
      break;
    case Message::Op::wait:
      message.target = TRY(parse_target(object));
      break;
    case Message::Op::updated:
      message.update = TRY(parse_update(object));
      break;
    case Message::Op::start:
    case Message::Op::status:
      break;
  }
  return object.done();
}

}  // namespace

Result<Message> parse_message(const Json& body) {
  auto object = TRY(JsonObject::of(body));
  Message message;
  const auto name = TRY(object.get<std::string>("op"));
  message.op = TRY(op_of(name));
  TRY(parse_arguments(object, message));
  return message;
}

Json to_json(const Open& open) {
  return {{"op", "open"},
          {"id", open.id},
          {"root", open.root},
          {"evidence",
           {{"audit", open.evidence.audit},
            {"receipts", open.evidence.receipts},
            {"keys", open.evidence.keys}}},
          {"facts", open.facts}};
}

Json to_json(const Hold& hold) {
  return {{"op", "hold"}, {"what", hold.what}, {"data", hold.data}};
}

Result<Packet> receive(sys::Kernel& kernel, int socket, std::chrono::milliseconds deadline) {
  pollfd waiting{.fd = socket, .events = POLLIN, .revents = 0};
  const std::int64_t until = monotonic_ns() + deadline.count() * 1'000'000;
  for (;;) {
    const std::int64_t left = (until - monotonic_ns() + 999'999) / 1'000'000;
    const int patience =
        deadline.count() < 0 ? -1 : static_cast<int>(std::max<std::int64_t>(left, 0));
    const int ready = ::poll(&waiting, 1, patience);
    if (ready > 0) break;
    if (ready == 0) return internal("warden.timeout", "the warden did not answer in time");
    if (errno != EINTR) return sys_error("wait for the warden");
  }
  const auto is_reset = [](const auto& result) {
    return !result && result.error().sys_errno == ECONNRESET;
  };
  auto message = kernel.recv(socket, kMaxMessage);
  // A peer that closed with our bytes unread is reported before its own last words.
  if (is_reset(message)) message = kernel.recv(socket, kMaxMessage);
  if (is_reset(message) || (message && message->bytes.empty()))
    return internal("warden.gone", "the container's warden has ended");
  if (!message) return std::unexpected(std::move(message.error()));
  return Packet{.body = TRY(parse_json(message->bytes)), .fds = std::move(message->fds)};
}

Status send(sys::Kernel& kernel, int socket, const Json& body, std::span<const int> fds) {
  const std::string text = dump(body);
  if (text.size() > kMaxMessage)
    return bad_input("warden.size", "a message to the warden above 128 KiB", "give fewer facts");
  auto sent = kernel.send(socket, text, fds);
  if (!sent && (sent.error().sys_errno == EPIPE || sent.error().sys_errno == ECONNRESET))
    return internal("warden.gone", "the container's warden has ended");
  return sent;
}

Result<Json> open_reply(const Json& body) {
  if (body.is_object() && body.contains("error"))
    return std::unexpected(sys::error_from_json(body.at("error")));
  if (!body.is_object() || body.value("ok", Json()) != true)
    return internal("warden.reply", "the warden's answer makes no sense");
  return body;
}

Json ok_reply() {
  return {{"ok", true}};
}
Json error_reply(const Error& error) {
  return {{"error", sys::error_to_json(error)}};
}

}  // namespace casemate::warden
