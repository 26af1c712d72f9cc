// Helper programs: short-lived processes that parse untrusted bytes or hold keys (casemate-verify,
// casemate-unseal). A helper gets one request and gives one reply, and may hand things over before
// that ({"take": body}, answered {"ok": null} or {"error": …}), each a JSON value and descriptors,
// over an AF_UNIX SOCK_SEQPACKET socket that is its descriptor 3. Descriptors 0–2 are /dev/null,
// the environment is empty, the working directory is /, and nothing else is open.
#pragma once

#include <chrono>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "shim/base/json.h"
#include "shim/base/result.h"
#include "shim/base/unique_fd.h"
#include "shim/sys/spawn.h"

namespace casemate::sys {

struct HelperMessage {
  Json body;
  std::vector<UniqueFd> fds;
};

// The limits of one message, either way; more is refused with "helper.size" before anything is
// sent.
inline constexpr std::size_t kHelperMessageLimit = 1 << 20;  // bytes of the dumped body
inline constexpr std::size_t kHelperDescriptorLimit = 64;

// Gives the other side something before the reply, and returns when it has been taken over; its
// error when it was not.
using HandOver = std::function<Status(const Json& body, std::span<const int> fds)>;

// Helper side: takes the request from descriptor 3, runs `handler`, and replies {"ok": body} with
// the handler's descriptors, or {"error": …}. Returns the exit status for main: 0, or the class of
// the error; 3 when nobody could be told.
int serve_helper(const std::function<Result<HelperMessage>(HelperMessage request,
                                                           const HandOver& hand_over)>& handler);
int serve_helper(const std::function<Result<HelperMessage>(HelperMessage request)>& handler);

struct HelperOptions {
  std::chrono::milliseconds deadline;
  std::vector<int> cgroups = {};  // see ChildProcess::start
  // Takes what the helper hands over; without it that is "helper.reply".
  std::function<Status(HelperMessage)> take = {};
};

// Runtime side: starts `program` (an absolute path), sends the request with copies of `fds`, and
// waits for the reply and for the process' end. The helper dies with the calling thread
// (PDEATHSIG) and is killed and reaped whatever goes wrong. SIGCHLD must not be ignored.
// Errors: what the helper replied; "helper.start" when it cannot be started; "helper.deadline" when
// reply and end did not come in time; the error of `take`; "helper.died" when it ended without a
// reply; "helper.exit" when it replied well and then failed; "helper.reply" when the reply makes no
// sense.
Result<HelperMessage> call_helper(const std::string& program, const Json& request,
                                  std::span<const int> fds, const HelperOptions& options);

// A helper that gives one thing and then stays until this object goes: its process is killed then.
class HeldHelper {
 public:
  // As call_helper(), for a helper that hands its one thing over without descriptors.
  static Result<HeldHelper> start(const std::string& program, const Json& request,
                                  std::span<const int> fds, std::chrono::milliseconds deadline);
  const Json& given() const { return given_; }

 private:
  HeldHelper(ChildProcess child, UniqueFd socket, Json given)
      : child_(std::move(child)), socket_(std::move(socket)), given_(std::move(given)) {}
  ChildProcess child_;
  UniqueFd socket_;
  Json given_;
};

// {"class","rule","what","hint","pointer","errno"}; texts are cut at 4096 bytes and made printable.
Json error_to_json(const Error& error);
// An object of another shape becomes internal "helper.reply".
Error error_from_json(const Json& json);

}  // namespace casemate::sys
