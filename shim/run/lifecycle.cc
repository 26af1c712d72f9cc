#include "shim/run/lifecycle.h"

#include <fcntl.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <thread>

#include "shim/base/clock.h"
#include "shim/cgroup/cgroup.h"
#include "shim/run/late_hooks.h"
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

Result<ContainerDir> find_container(Runtime& runtime, const std::string& id) {
  TRY(warden::check_id(id));
  return ContainerDir::open(runtime.kernel, runtime.config.paths.state, runtime.settings.root, id);
}

Result<Json> state_of(Runtime& runtime, ContainerDir& directory) {
  const warden::StateRecord record = TRY(directory.load_state());
  const warden::State journalled = TRY(warden::journal_state(runtime.kernel, directory.fd()));
  const bool alive = warden::process_alive(record.pid, record.pid_start_time);
  const std::string_view status = warden::oci_status(journalled, alive);
  Json state = {{"ociVersion", record.oci_version},
                {"id", record.id},
                {"status", status},
                {"bundle", record.bundle},
                {"annotations", record.annotations}};
  state["pid"] = status == "stopped" ? 0 : record.pid;
  return state;
}

// "creating" also for one whose create died before it wrote a state.
Result<std::string> status_of(Runtime& runtime, ContainerDir& directory) {
  const auto state = state_of(runtime, directory);
  if (state) return state->value("status", "");
  if (state.error().sys_errno == ENOENT) return "creating";
  return std::unexpected(state.error());
}

std::unexpected<Error> wrong_state(const std::string& id, const std::string& status,
                                   const char* wanted) {
  return bad_input("container.state", "container " + id + " is " + status + ", not " + wanted,
                   "see `casemate state " + id + "`");
}

Status kill_all(Runtime& runtime, ContainerDir& directory, int signal) {
  // Nobody is left to reach, and its cgroup may be another container's by now.
  if (TRY(state_of(runtime, directory)).value("status", "") == "stopped") return {};
  const Json plan = TRY(directory.load_plan());
  for (const Json& step : plan.value("steps", Json::array())) {
    if (step.value("step", "") != "cgroup") continue;
    const auto hierarchies = TRY(cgroup::read_hierarchies(runtime.kernel));
    auto cgroup = TRY(cgroup::Cgroup::find(runtime.kernel, hierarchies, step.value("path", "")));
    return cgroup.signal_all(signal);
  }
  return {};
}

// Engines look for exactly these words.
std::unexpected<Error> not_running(const std::string& id) {
  return bad_input("container.not-running", "container not running",
                   "the container " + id + " has ended");
}

Status send_signal(Runtime& runtime, ContainerDir& directory, int signal) {
  return TRY(WardenClient::connect(runtime.kernel, directory.fd())).kill(signal);
}

// It ended between our look and our signal.
bool has_ended(const Status& sent) {
  return !sent && (sent.error().rule == "container.stopped" || sent.error().rule == "warden.gone");
}

Status kill_one(Runtime& runtime, ContainerDir& directory, const std::string& id, int signal) {
  const std::string status = TRY(state_of(runtime, directory)).value("status", "");
  if (status == "stopped") return not_running(id);
  const Status sent = send_signal(runtime, directory, signal);
  return has_ended(sent) ? not_running(id) : sent;
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

Status run_stored_hooks(Runtime& runtime, ContainerDir& directory, std::string_view phase) {
  const warden::StateRecord record = TRY(directory.load_state());
  const Json phases = record.extra.value("laterHooks", Json::array());
  if (std::find(phases.begin(), phases.end(), phase) == phases.end()) return {};
  run_late_hooks(runtime, phase, TRY(directory.load_plan()), TRY(state_of(runtime, directory)));
  return {};
}

}  // namespace

Status start(Runtime& runtime, ContainerDir& directory, WardenClient& warden) {
  TRY(warden.start(kStartDeadline));
  return run_stored_hooks(runtime, directory, "poststart");
}

namespace {

// Under the container's lock: waits for the wipe, lets `look` read what is left, removes the rest.
Status remove_wiped(Runtime& runtime, ContainerDir& directory,
                    const std::function<Status()>& look) {
  // Whoever comes second finds a directory without a name, in which nothing can be made any more.
  const auto lock = directory.lock();
  if (!lock && lock.error().sys_errno == ENOENT) return {};
  if (!lock) return std::unexpected(lock.error());
  if (TRY(runtime.kernel.fstatat(directory.fd(), "", AT_EMPTY_PATH)).st_nlink == 0) return {};
  TRY(await_end(runtime, directory));
  TRY(look());
  return directory.remove();
}

}  // namespace

Status settle(Runtime& runtime, ContainerDir& directory, const std::function<Status()>& look) {
  return remove_wiped(runtime, directory, [&]() -> Status {
    TRY(look());
    // One without a state was never made: its create has said so and run the hooks.
    static_cast<void>(run_stored_hooks(runtime, directory, "poststop"));
    return {};
  });
}

Status discard(Runtime& runtime, ContainerDir& directory) {
  return remove_wiped(runtime, directory, [] { return Status(); });
}

Status start(Runtime& runtime, const std::string& id) {
  ContainerDir directory = TRY(find_container(runtime, id));
  const std::string status = TRY(state_of(runtime, directory)).value("status", "");
  if (status != "created") return wrong_state(id, status, "created");
  auto warden = TRY(WardenClient::connect(runtime.kernel, directory.fd()));
  return start(runtime, directory, warden);
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

Result<int> parse_signal(const std::string& text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size() && number > 0 && number <= SIGRTMAX)
    return number;
  const std::string name = text.starts_with("SIG") ? text.substr(3) : text;
  for (int candidate = 1; candidate < NSIG; ++candidate) {
    const char* known = ::sigabbrev_np(candidate);
    if (known != nullptr && name == known) return candidate;
  }
  return bad_input("signal.name", "unknown signal \"" + printable(text) + "\"",
                   "use a number or a name such as TERM");
}

}  // namespace casemate::run
