// The warden's loop: one thread at rest, one poll(2) without a timeout.
#pragma once

#include <optional>
#include <vector>

#include "shim/sys/kernel.h"
#include "shim/warden/holdings.h"
#include "shim/warden/protocol.h"
#include "shim/warden/twin.h"

namespace casemate::warden {

class Warden {
 public:
  // `cli`: the socket of protocol.h. The process should be hardened.
  static Result<Warden> make(sys::Kernel& kernel, UniqueFd cli);

  // Until the container is wiped or rolled back.
  Status run();

 private:
  struct Client {
    UniqueFd socket;
    std::optional<State> waits_for;
    bool starts = false;  // is told when init has executed, or why not
  };
  struct Ready {
    bool cli = false, twin = false, init = false, start = false, listener = false;
    std::vector<std::size_t> clients;
  };

  Warden(sys::Kernel& kernel, UniqueFd cli, Twin twin)
      : kernel_(kernel), cli_(std::move(cli)), twin_(std::move(twin)), holdings_(kernel) {}

  Result<Ready> sleep() const;
  bool dispatch(const Ready& ready);

  // The CLI's messages before commit. False: the CLI is gone, or the twin.
  bool serve_cli();
  bool answer_cli(std::vector<Json> replies);
  Result<Json> take_from_cli(Packet packet);
  Result<Json> open(Message message, const Json& body, std::vector<UniqueFd> fds);
  Status commit(Json facts);
  Status hand_over(const Json& body, std::span<const int> fds);

  // Connections after commit.
  void accept_client();
  void serve_client(Client& client);
  Result<std::optional<Json>> answer(Client& client, const Message& message);
  Status begin_start(Client& client);
  void end_start();
  void drop_closed();
  void tell_waiters();

  Status save();
  Status record_time(const char* name);
  Status merge_everywhere(const Json& facts);  // here, in the twin and in holds.json
  Status end();
  Status cancel(const std::string& reason);

  sys::Kernel& kernel_;
  UniqueFd cli_;
  Twin twin_;
  Holdings holdings_;
  UniqueFd listener_;
  std::vector<Client> clients_;
  State state_ = State::fresh;
  bool committed_ = false;
  bool twin_lost_ = false;
  bool starting_ = false;
  bool unsaved_ = false;  // something was taken that holds.json does not say yet
};

}  // namespace casemate::warden
