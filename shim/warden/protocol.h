// What the CLI and the warden say to each other: one JSON object a message over AF_UNIX
// SOCK_SEQPACKET, descriptors beside it (SCM_RIGHTS); every message is answered by {"ok":true,…} or
// {"error":{…}}.
//
//   CLI                                    warden                         twin
//    | spawn, socket is fd 3                 |                              |
//    |-------------------------------------->| fork ----------------------->|
//    | open  {id, root, evidence, facts}+dir |--- the same, with copies --->|
//    | hold  dataset:<id> | upper | …  +fd   |------------------------------>|
//    | hold  cgroup {data}                   |------------------------------>|
//    | hold  init {pid}      +pidfd, +start  |--- without the start socket ->|
//    | commit {facts}                        |------------------------------>|
//    x
//   The end of the CLI's socket before commit rolls back: init and cgroup are killed, what is held
//   is wiped, cgroups and the container's directory are removed. From commit on the warden listens
//   on "control" in the container's directory, for uid 0 only:
//    | start | status | kill {signal} | wait {for} | updated {plan, profile, tainted} |
//
// A hold is acknowledged only when the twin has it too and it stands in holds.json: from then on
// either of the two can end the job and wipe, and whoever finds both dead knows what was held.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shim/base/json.h"
#include "shim/base/result.h"
#include "shim/base/unique_fd.h"
#include "shim/sys/kernel.h"
#include "shim/warden/machine.h"

namespace casemate::warden {

// Where audit records and receipts go; absolute host paths, made when absent.
struct EvidencePaths {
  std::string audit;     // file: <data>/audit/audit.jsonl
  std::string receipts;  // directory: <data>/receipts
  std::string keys;      // directory: <data>/keys
};

struct Open {
  std::string id;
  std::string root;  // --root as given
  EvidencePaths evidence;
  Json facts = Json::object();  // receipt facts so far, see shim/evidence/receipt.h
};

struct Hold {
  // "dataset:<id>", "upper" or "tmpfs:<destination>" (a mount to wipe), "cgroup", "cgroup-intent"
  // or "init".
  std::string what;
  // cgroup: {"saved": Cgroup::to_json(), "intended": path}; cgroup-intent: {"path": absolute};
  // init: {"pid": n}
  Json data = Json::object();
};

struct Update {
  std::string plan;      // digest of the plan as it is now: "sha256:" and 64 hexadecimal digits
  std::string profile;   // digest of the profile that bounded the change
  bool tainted = false;  // complain mode let something pass that the rules deny
};

// A message from the CLI, parsed. Unknown operations and keys are refused (bad_input).
struct Message {
  enum class Op { open, hold, facts, commit, start, status, kill, wait, updated } op = Op::status;
  Open open;
  Hold hold;
  Json facts;
  int signal = 0;
  State target = State::wiped;  // of wait: STOPPED or WIPED
  Update update;
};
Result<Message> parse_message(const Json& body);
Json to_json(const Open& open);
Json to_json(const Hold& hold);

constexpr std::size_t kMaxMessage = 128 * 1024;
struct Packet {
  Json body;
  std::vector<UniqueFd> fds;
};
// One message within `deadline` (internal "warden.timeout"); the peer's end is internal
// "warden.gone". A negative deadline waits for ever.
Result<Packet> receive(sys::Kernel& kernel, int socket, std::chrono::milliseconds deadline);
// bad_input "warden.size" above kMaxMessage.
Status send(sys::Kernel& kernel, int socket, const Json& body, std::span<const int> fds);
// The {"ok":true,…} of a reply, or the error it carries.
Result<Json> open_reply(const Json& body);
Json ok_reply();
Json error_reply(const Error& error);

struct Standing {
  State state = State::fresh;
  bool init_alive = false;
};

inline constexpr std::chrono::milliseconds kAnswerDeadline{10'000};

class WardenClient {
 public:
  // Starts the program (absolute path) with an empty environment, /dev/null as 0–2, its own session
  // and no other descriptor than the socket. It becomes a child of the caller (a process of one
  // thread), who need not wait. A program that cannot be executed is the first answer's error.
  struct Options {
    std::chrono::milliseconds deadline = kAnswerDeadline;  // for each answer up to commit
    int v2_cgroup = -1;  // the v2 directory to be born in (wardens_cgroup), or -1
  };
  static Result<WardenClient> spawn(sys::Kernel& kernel, const std::string& program,
                                    const Options& options);
  // The warden of an existing container. internal "warden.gone" when none listens.
  static Result<WardenClient> connect(sys::Kernel& kernel, int container_dir);

  // Until commit. Descriptors are copied, the caller keeps its own. open() must come first; `dir`
  // must carry the life lock (ContainerDir::create). What is posted is answered while the caller
  // goes on; acknowledged() waits for the answers, and so does commit().
  Status open(const Open& request, int dir);            // posted
  Status hold_mount(std::string_view what, int mount);  // posted
  // `saved` is Cgroup::to_json(); may be given for several (the job's, unseal's). `intended`: the
  // path of intend_cgroup() that this takes the place of. Posted.
  Status hold_cgroup(const Json& saved, std::string_view intended = {});
  // Before Cgroup::create(), and acknowledged: an empty leaf at this absolute cgroups path is
  // removed if the caller dies before hold_cgroup(). Nothing in it is ever killed on the strength
  // of this alone. Posted.
  Status intend_cgroup(std::string_view path);
  // `start_socket`: our end of a socket whose other end init reads: one byte "g" lets it go on; its
  // end means that exec has happened, a message before that is error_to_json() of what failed.
  // Posted.
  Status hold_init(pid_t pid, int pidfd, int start_socket);
  // The first error of what was posted since the last time.
  Status acknowledged();
  // Merges `facts` into the receipt's (RFC 7386), journals CREATED (so STAGED must be journalled)
  // and begins to listen on "control". After this the container outlives the caller.
  Status commit(const Json& facts);

  // After commit, each usable on a connection of its own.
  Status start(std::chrono::milliseconds deadline);  // the error of init when it could not exec
  Result<Standing> status();
  // To init, by pidfd; bad_input "container.stopped" when it is dead. SIGKILL ends a paused job
  // too.
  Status kill(int signal);
  // The limits were changed: for the receipt.
  Status updated(const Update& update);
  Status wait(State target, std::chrono::milliseconds deadline);

  pid_t warden_pid() const { return warden_pid_; }  // after spawn()
  pid_t twin_pid() const { return twin_pid_; }      // after open() is acknowledged
  int socket() const { return socket_.get(); }

 private:
  WardenClient(sys::Kernel& kernel, UniqueFd socket, std::chrono::milliseconds deadline)
      : kernel_(&kernel), socket_(std::move(socket)), deadline_(deadline) {}
  Status post(const Json& body, std::span<const int> fds = {});
  Result<Json> answer(std::chrono::milliseconds deadline);
  Result<Json> call(const Json& body, std::span<const int> fds, std::chrono::milliseconds deadline);
  Result<Json> call(const Json& body, std::span<const int> fds = {}) {
    return call(body, fds, deadline_);
  }

  sys::Kernel* kernel_;
  UniqueFd socket_;
  std::chrono::milliseconds deadline_;
  int posted_ = 0;  // and not answered yet
  pid_t warden_pid_ = 0;
  pid_t twin_pid_ = 0;
};

}  // namespace casemate::warden
