#include "shim/run/lifecycle.h"

#include <fcntl.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <thread>

#include "shim/base/clock.h"
#include "shim/base/number.h"
#include "shim/run/container.h"
#include "shim/run/late_hooks.h"
#include "shim/run/notify.h"
#include "shim/run/unit.h"
#include "shim/warden/container_dir.h"
#include "shim/warden/journal.h"
#include "shim/warden/protocol.h"
#include "shim/warden/reconcile.h"

namespace casemate::run {
namespace {

using std::chrono::milliseconds;
using warden::ContainerDir;
using warden::WardenClient;

constexpr milliseconds kStartDeadline{60'000};  // a startContainer hook may take 50 s
constexpr milliseconds kWipeDeadline{120'000};

// One without a state is being created; or its create died, and its warden may have undone it.
Result<std::string> status_of(Runtime& runtime, ContainerDir& directory) {
  const auto state = state_of(runtime, directory);
  if (state) return state->value("status", "");
  if (state.error().sys_errno != ENOENT) return std::unexpected(state.error());
  return was_undone(runtime, directory) ? "stopped" : "creating";
}

Result<bool> is_stopped(Runtime& runtime, ContainerDir& directory) {
  const warden::StateRecord record = TRY(directory.load_state());
  return TRY(status_by(runtime, directory, record)) == "stopped";
}

Status kill_all(Runtime& runtime, ContainerDir& directory, int signal) {
  // Nobody is left to reach, and its cgroup may be another container's by now.
  if (TRY(is_stopped(runtime, directory))) return {};
  auto group = TRY(cgroup_of(runtime, directory));
  TRY(group.signal_all(signal));
  // A v1 freezer holds even those that SIGKILL was sent to.
  return signal == SIGKILL ? group.thaw() : Status();
}

Status send_signal(Runtime& runtime, ContainerDir& directory, int signal) {
  return TRY(WardenClient::connect(runtime.kernel, directory.fd())).kill(signal);
}

// It ended between our look and our signal.
bool has_ended(const Status& sent) {
  return !sent && (sent.error().rule == "container.stopped" || sent.error().rule == "warden.gone");
}

Status kill_one(Runtime& runtime, ContainerDir& directory, const std::string& id, int signal) {
  if (TRY(is_stopped(runtime, directory))) return not_running(id, "has ended");
  const Status sent = send_signal(runtime, directory, signal);
  return has_ended(sent) ? Status(not_running(id, "has ended")) : sent;
}

// A create that is still at work has no control socket yet: it commits soon, or its warden undoes
// it.
Status end_by_force(Runtime& runtime, ContainerDir& directory) {
  const std::int64_t deadline = monotonic_ns() + std::chrono::nanoseconds(kStartDeadline).count();
  while (TRY(directory.alive())) {
    auto warden = WardenClient::connect(runtime.kernel, directory.fd());
    if (warden) {
      const Status killed = warden->kill(SIGKILL);
      return has_ended(killed) ? Status() : killed;
    }
    if (monotonic_ns() > deadline)
      return internal("container.creating", "the container's create does not come to an end");
    std::this_thread::sleep_for(milliseconds(5));
  }
  return {};  // nobody left to ask: await_wiped() reconciles
}

// A create that was killed before its warden held anything left a directory and nothing to wipe.
Status await_end(Runtime& runtime, ContainerDir& directory) {
  const Status wiped = warden::await_wiped(runtime.kernel, directory, kWipeDeadline);
  const bool nothing_held = !wiped && wiped.error().sys_errno == ENOENT;
  if (nothing_held && !TRY(directory.alive())) return {};
  return wiped;
}

Status run_stored_hooks(Runtime& runtime, ContainerDir& directory,
                        const warden::StateRecord& record, std::string_view phase) {
  const Json phases = record.extra.value("laterHooks", Json::array());
  if (std::find(phases.begin(), phases.end(), phase) == phases.end()) return {};
  run_late_hooks(runtime, phase, TRY(parse_json(TRY(directory.load_plan()))),
                 TRY(state_of(runtime, directory)));
  return {};
}

}  // namespace

namespace {

Status check_created(Runtime& runtime, ContainerDir& directory) {
  const std::string status = TRY(state_of(runtime, directory)).value("status", "");
  if (status == "created") return {};
  return wrong_state(directory.id(), status, "created");
}

}  // namespace

Status start(Runtime& runtime, ContainerDir& directory, WardenClient& warden) {
  TRY(warden.start(kStartDeadline));
  return run_stored_hooks(runtime, directory, TRY(directory.load_state()), "poststart");
}

namespace {

// Listens first: what the container says at once must not be lost. Under the lock: another start
// must not take the socket's place.
Result<std::optional<NotifySocket>> listen_and_start(Runtime& runtime, ContainerDir& directory,
                                                     WardenClient& warden) {
  const auto lock = TRY(directory.lock());
  TRY(check_created(runtime, directory));
  auto notify =
      TRY(NotifySocket::listen(runtime.kernel, directory.fd(), runtime.settings.notify_socket));
  TRY(start(runtime, directory, warden));
  return notify;
}

}  // namespace

Status start_until_ready(Runtime& runtime, ContainerDir& directory, WardenClient& warden) {
  if (runtime.settings.notify_socket.empty()) return start(runtime, directory, warden);
  auto notify = TRY(listen_and_start(runtime, directory, warden));
  if (!notify) return {};
  const warden::StateRecord record = TRY(directory.load_state());
  return notify->await_ready(runtime.kernel, record.pid, record.pid_start_time);
}

namespace {

// Under the container's lock: waits for the wipe, lets `look` read what is left, removes the rest.
Status remove_wiped(Runtime& runtime, ContainerDir& directory,
                    const std::function<Status()>& look) {
  // Whoever comes second finds a directory that has nothing but, perhaps, its name.
  const auto lock = directory.lock();
  if (!lock && lock.error().sys_errno == ENOENT) return directory.remove();
  if (!lock) return std::unexpected(lock.error());
  if (TRY(runtime.kernel.fstatat(directory.fd(), "", AT_EMPTY_PATH)).st_nlink == 0) return {};
  TRY(await_end(runtime, directory));
  TRY(end_unit(runtime, directory));
  TRY(look());
  return directory.remove();
}

}  // namespace

Status settle(Runtime& runtime, ContainerDir& directory, const std::function<Status()>& look) {
  return remove_wiped(runtime, directory, [&]() -> Status {
    TRY(look());
    // One without a state was never made: its create has said so and run the hooks.
    const auto record = directory.load_state();
    if (!record) return {};
    static_cast<void>(run_stored_hooks(runtime, directory, *record, "poststop"));
    return {};
  });
}

Status discard(Runtime& runtime, ContainerDir& directory) {
  return remove_wiped(runtime, directory, [] { return Status(); });
}

Status start(Runtime& runtime, const std::string& id) {
  ContainerDir directory = TRY(find_container(runtime, id));
  TRY(check_created(runtime, directory));
  auto warden = TRY(WardenClient::connect(runtime.kernel, directory.fd()));
  return start_until_ready(runtime, directory, warden);
}

Result<Json> state(Runtime& runtime, const std::string& id) {
  ContainerDir directory = TRY(find_container(runtime, id));
  return state_of(runtime, directory);
}

Status kill(Runtime& runtime, const std::string& id, const std::string& signal, bool all) {
  ContainerDir directory = TRY(find_container(runtime, id));
  const int number = TRY(parse_signal(signal));
  return all ? kill_all(runtime, directory, number) : kill_one(runtime, directory, id, number);
}

Status remove(Runtime& runtime, const std::string& id, bool force) {
  auto found = find_container(runtime, id);
  if (!found && force && found.error().rule == "container.unknown") return {};
  if (!found) return std::unexpected(std::move(found.error()));
  auto known = status_of(runtime, *found);
  if (!known && !force) return std::unexpected(std::move(known.error()));
  const std::string status = known.value_or("unknown");  // whatever its files say, it can be ended
  // A container that never ran is ended and removed, as runc does it.
  if (status != "stopped" && status != "created" && !force)
    return wrong_state(id, status, "stopped");
  if (status != "stopped") TRY(end_by_force(runtime, *found));
  return settle(runtime, *found, [] { return Status(); });
}

Result<std::vector<Listed>> list(Runtime& runtime) {
  std::vector<Listed> all;
  const auto ids =
      TRY(ContainerDir::list(runtime.kernel, runtime.config.paths.state, runtime.settings.root));
  for (const std::string& id : ids) {
    auto directory = find_container(runtime, id);
    if (!directory) continue;  // ended meanwhile
    auto now = state_of(runtime, *directory);
    const auto record = directory->load_state();
    if (now && record) all.push_back({id, std::move(*now), record->created});
  }
  return all;
}

namespace {

// "RTMIN+3", "RTMAX-1", "RTMIN"; nothing for another text.
std::optional<int> realtime_signal(std::string_view name) {
  const bool low = name.starts_with("RTMIN");
  if (!low && !name.starts_with("RTMAX")) return std::nullopt;
  std::string_view rest = name.substr(5);
  if (rest.empty()) return low ? SIGRTMIN : SIGRTMAX;
  if (rest.size() < 2 || rest.front() != (low ? '+' : '-')) return std::nullopt;
  rest.remove_prefix(1);
  const auto offset = whole_number<int>(rest);
  if (!offset || *offset < 0 || *offset > SIGRTMAX - SIGRTMIN) return std::nullopt;
  return low ? SIGRTMIN + *offset : SIGRTMAX - *offset;
}

std::optional<int> named_signal(std::string_view name) {
  constexpr std::pair<std::string_view, int> kOtherNames[] = {
      {"IO", SIGIO}, {"IOT", SIGIOT}, {"CLD", SIGCHLD}};
  for (const auto& [other, number] : kOtherNames)
    if (name == other) return number;
  for (int candidate = 1; candidate < NSIG; ++candidate) {
    const char* known = ::sigabbrev_np(candidate);
    if (known != nullptr && name == known) return candidate;
  }
  return realtime_signal(name);
}

}  // namespace

Result<int> parse_signal(const std::string& text) {
  if (const auto number = whole_number<int>(text); number && *number > 0 && *number <= SIGRTMAX)
    return *number;
  std::string name = text;
  std::ranges::transform(name, name.begin(), [](unsigned char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : static_cast<char>(c);
  });
  if (name.starts_with("SIG")) name.erase(0, 3);
  if (const auto known = named_signal(name)) return *known;
  return bad_input("signal.name", "unknown signal \"" + printable(text) + "\"",
                   "use a number or a name such as TERM or RTMIN+1");
}

}  // namespace casemate::run
