#include "shim/sys/helper.h"

#include <fcntl.h>
#include <sys/socket.h>

#include "shim/base/clock.h"
#include "shim/sys/frame.h"
#include "shim/sys/real_kernel.h"

namespace casemate::sys {
namespace {

constexpr int kHelperSocket = 3;
constexpr int kNobodyTold = static_cast<int>(ErrorClass::internal);

std::vector<int> borrowed(const std::vector<UniqueFd>& fds) {
  std::vector<int> out;
  out.reserve(fds.size());
  for (const auto& fd : fds) out.push_back(fd.get());
  return out;
}

bool is_gone(const Error& error) {
  return error.sys_errno == EPIPE || error.sys_errno == ECONNRESET;
}

Result<HelperMessage> receive_request(int socket) {
  Frame frame = TRY(receive_frame(socket, /*peer=*/-1, kNoDeadline));
  return HelperMessage{.body = TRY(parse_json(frame.text)), .fds = std::move(frame.fds)};
}

Error malformed_reply() {
  return internal("helper.reply", "the helper's reply makes no sense",
                  "are the runtime and its helpers of the same version?")
      .error();
}

// The {"ok": …} or {"error": …} that a helper sent.
Result<HelperMessage> open_reply(Frame frame) {
  auto reply = parse_json(frame.text);
  if (!reply || !reply->is_object() || reply->size() != 1)
    return std::unexpected(malformed_reply());
  if (const auto error = reply->find("error"); error != reply->end())
    return std::unexpected(error_from_json(*error));
  const auto ok = reply->find("ok");
  if (ok == reply->end()) return std::unexpected(malformed_reply());
  return HelperMessage{.body = std::move(*ok), .fds = std::move(frame.fds)};
}

// What the helper gives before its reply; nothing when the frame is the reply.
Result<std::optional<HelperMessage>> handed_over(Frame& frame) {
  auto json = parse_json(frame.text);
  if (!json || !json->is_object() || !json->contains("take")) return std::nullopt;
  return HelperMessage{.body = std::move(json->at("take")), .fds = std::move(frame.fds)};
}

Status take_over(int socket, HelperMessage given, const HelperOptions& options, Deadline latest) {
  const Status taken =
      options.take ? options.take(std::move(given)) : Status(std::unexpected(malformed_reply()));
  const Json answer = taken ? Json{{"ok", nullptr}} : Json{{"error", error_to_json(taken.error())}};
  TRY(send_frame(socket, dump(answer), {}, latest));
  return taken;
}

// The reply, after everything that was handed over before it.
Result<Frame> await_reply(int socket, int pidfd, const HelperOptions& options, Deadline latest) {
  for (;;) {
    Frame frame = TRY(receive_frame(socket, pidfd, latest));
    auto given = TRY(handed_over(frame));
    if (!given) return frame;
    TRY(take_over(socket, std::move(*given), options, latest));
  }
}

Status hand_over_to(int socket, const Json& body, std::span<const int> fds) {
  TRY(send_frame(socket, dump(Json{{"take", body}}), fds, kNoDeadline));
  TRY(open_reply(TRY(receive_frame(socket, /*peer=*/-1, kNoDeadline))));
  return {};
}

// Whatever was quoted in an error, the message that carries it stays small and free of NUL.
std::string carried(std::string_view text) {
  constexpr std::size_t kMost = 4096;
  return printable(text.substr(0, kMost)).substr(0, kMost);
}

Result<ErrorClass> class_of(std::string_view name) {
  for (const auto cls :
       {ErrorClass::denied, ErrorClass::bad_input, ErrorClass::internal, ErrorClass::unsupported})
    if (to_string(cls) == name) return cls;
  return std::unexpected(malformed_reply());
}

Result<Error> read_error(const Json& json) {
  JsonObject object = TRY(JsonObject::of(json));
  Error error;
  const std::string name = TRY(object.get<std::string>("class"));
  error.cls = TRY(class_of(name));
  error.rule = carried(TRY(object.get<std::string>("rule")));
  error.what = carried(TRY(object.get<std::string>("what")));
  error.hint = carried(TRY(object.get<std::string>("hint")));
  error.pointer = carried(TRY(object.get<std::string>("pointer")));
  const std::int64_t number = TRY(object.get<std::int64_t>("errno"));
  TRY(object.done());
  if (number < 0 || number > 4095) return std::unexpected(malformed_reply());
  error.sys_errno = static_cast<int>(number);
  return error;
}

}  // namespace

int serve_helper(const std::function<Result<HelperMessage>(HelperMessage request,
                                                           const HandOver& hand_over)>& handler) {
  if (::fcntl(kHelperSocket, F_SETFD, FD_CLOEXEC) == -1) return kNobodyTold;
  const UniqueFd socket(kHelperSocket);
  auto request = receive_request(socket.get());
  Result<HelperMessage> reply = request ? handler(std::move(*request),
                                                  [&](const Json& body, std::span<const int> fds) {
                                                    return hand_over_to(socket.get(), body, fds);
                                                  })
                                        : std::unexpected(std::move(request.error()));
  if (reply) {
    const std::vector<int> fds = borrowed(reply->fds);
    const std::string text = dump(Json{{"ok", std::move(reply->body)}});
    const Status sent = send_frame(socket.get(), text, fds, kNoDeadline);
    if (sent) return 0;
    reply = std::unexpected(sent.error());
  }
  const std::string text = dump(Json{{"error", error_to_json(reply.error())}});
  if (!send_frame(socket.get(), text, {}, kNoDeadline)) return kNobodyTold;
  return reply.error().exit_code();
}

int serve_helper(const std::function<Result<HelperMessage>(HelperMessage request)>& handler) {
  return serve_helper(
      [&](HelperMessage request, const HandOver&) { return handler(std::move(request)); });
}

Result<HelperMessage> call_helper(const std::string& program, const Json& request,
                                  std::span<const int> fds, const HelperOptions& options) {
  const Deadline latest = monotonic_ns() + std::chrono::nanoseconds(options.deadline).count();
  RealKernel kernel;
  auto [ours, theirs] = TRY(kernel.socketpair(SOCK_SEQPACKET));
  ChildProcess child = TRY(ChildProcess::start(program, theirs.get(), options.cgroups));
  theirs.reset();

  const Status sent = send_frame(ours.get(), dump(request), fds, latest);
  // A helper may be gone before it has read everything, and may have said why.
  if (!sent && !is_gone(sent.error())) return std::unexpected(sent.error());
  auto frame = await_reply(ours.get(), child.pidfd(), options, latest);
  if (!frame) return std::unexpected(std::move(frame.error()).with_context(program));
  const int status = TRY(child.wait(latest));
  auto reply = open_reply(std::move(*frame));
  if (reply && status != 0)
    return internal("helper.exit",
                    program + " replied and then ended with " + std::to_string(status));
  return reply;
}

Result<HeldHelper> HeldHelper::start(const std::string& program, const Json& request,
                                     std::span<const int> fds, std::chrono::milliseconds deadline) {
  const Deadline latest = monotonic_ns() + std::chrono::nanoseconds(deadline).count();
  RealKernel kernel;
  auto [ours, theirs] = TRY(kernel.socketpair(SOCK_SEQPACKET));
  ChildProcess child = TRY(ChildProcess::start(program, theirs.get()));
  theirs.reset();
  const Status sent = send_frame(ours.get(), dump(request), fds, latest);
  if (!sent && !is_gone(sent.error())) return std::unexpected(sent.error());
  auto frame = receive_frame(ours.get(), child.pidfd(), latest);
  if (!frame) return std::unexpected(std::move(frame.error()).with_context(program));
  if (auto given = TRY(handed_over(*frame)))
    return HeldHelper(std::move(child), std::move(ours), std::move(given->body));
  TRY(open_reply(std::move(*frame)));
  return std::unexpected(malformed_reply());
}

Json error_to_json(const Error& error) {
  return {{"class", std::string(to_string(error.cls))},
          {"rule", carried(error.rule)},
          {"what", carried(error.what)},
          {"hint", carried(error.hint)},
          {"pointer", carried(error.pointer)},
          {"errno", error.sys_errno}};
}

Error error_from_json(const Json& json) {
  auto error = read_error(json);
  return error ? std::move(*error) : malformed_reply();
}

}  // namespace casemate::sys
