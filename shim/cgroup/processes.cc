// Who is in the control group: joining, freezing, ending.
#include <fcntl.h>
#include <sys/types.h>

#include <algorithm>
#include <csignal>
#include <map>
#include <thread>

#include "shim/base/number.h"
#include "shim/cgroup/cgroup.h"
#include "shim/cgroup/files.h"

namespace casemate::cgroup {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr milliseconds kFreezePatience{2000};
constexpr milliseconds kKillRound{100};
constexpr const char* kProcesses = "cgroup.procs";

// Longer and longer pauses until the deadline; `done` may be costly.
class Patience {
 public:
  explicit Patience(Clock::time_point end) : end_(end) {}
  bool wait() {
    if (Clock::now() >= end_) return false;
    std::this_thread::sleep_for(pause_);
    pause_ = std::min(pause_ * 2, microseconds(10000));
    return true;
  }

 private:
  Clock::time_point end_;
  microseconds pause_{100};
};

Result<std::vector<pid_t>> parse_pids(std::string_view text) {
  std::vector<pid_t> out;
  for (const std::string_view word : words(text)) {
    const auto pid = whole_number<pid_t>(word);
    if (!pid) return internal("cgroup.procs", "cgroup.procs has \"" + std::string(word) + "\"");
    out.push_back(*pid);
  }
  return out;
}

bool gone(const Error& error) {
  return error.sys_errno == ESRCH || error.sys_errno == ENODEV;
}

}  // namespace

Status Cgroup::join(pid_t pid) {
  TRY(require_present());
  for (const Place& place : places_) {
    auto status = write_file(*kernel_, place.leaf.get(), kProcesses, std::to_string(pid));
    if (status) continue;
    return std::unexpected(std::move(status.error())
                               .with_context("move process " + std::to_string(pid) + " into " +
                                             place.hierarchy.mount_point + "/" + place.path));
  }
  return {};
}

Result<std::vector<UniqueFd>> Cgroup::open_for_self(bool and_v2) const {
  TRY(require_present());
  std::vector<UniqueFd> files;
  for (const Place& place : places_) {
    const bool v2 = place.hierarchy.v2;
    if (v2 && !and_v2) continue;
    const char* file = v2 ? kProcesses : "tasks";
    files.push_back(TRY(open_below(*kernel_, place.leaf.get(), file, O_WRONLY)));
  }
  return files;
}

Status Cgroup::join_self(sys::Kernel& kernel, std::span<const UniqueFd> files) {
  for (const UniqueFd& file : files) {
    const auto written = kernel.write(file.get(), "0");  // cgroups(7): the writer itself
    if (!written) return std::unexpected(Error(written.error()).with_context("join a cgroup"));
  }
  return {};
}

Status Cgroup::check_member(pid_t pid) const {
  TRY(require_present());
  for (const Place& place : places_) {
    const auto pids = TRY(parse_pids(TRY(read_file(*kernel_, place.leaf.get(), kProcesses))));
    if (std::ranges::find(pids, pid) != pids.end()) continue;
    return internal("cgroup.readback",
                    "process " + std::to_string(pid) + " is not in " + place.hierarchy.mount_point +
                        "/" + place.path,
                    "the container is not started outside its control group");
  }
  return {};
}

Result<std::vector<pid_t>> Cgroup::processes() const {
  std::vector<pid_t> all;
  for (const Place& place : places_) {
    if (!place.leaf) continue;
    const auto status = walk(*kernel_, place.leaf.get(), [&](int dir) -> Status {
      const auto text = read_file(*kernel_, dir, kProcesses);
      const int why = text ? 0 : text.error().sys_errno;
      if (why == ENODEV || why == ENOENT) return {};  // removed while we looked
      if (why == EOPNOTSUPP) return {};               // a threaded v2 child: listed at its domain
      if (!text) return std::unexpected(text.error());
      const auto pids = TRY(parse_pids(*text));
      all.insert(all.end(), pids.begin(), pids.end());
      return {};
    });
    const bool vanished =
        !status && (status.error().sys_errno == ENOENT || status.error().sys_errno == ENODEV);
    if (!status && !vanished) return std::unexpected(status.error());
  }
  std::ranges::sort(all);
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

Status Cgroup::signal_all(int signal) {
  // A pid may be given to another process between reading and opening it. Whoever is still listed
  // after its pidfd was opened is ours, or its pidfd is of a dead process of ours.
  std::map<pid_t, UniqueFd> opened;
  for (const pid_t pid : TRY(processes())) {
    if (pid == 0) continue;  // in a pid namespace that we cannot see into
    auto pidfd = kernel_->pidfd_open(pid);
    if (pidfd) opened.emplace(pid, std::move(*pidfd));
    // EINVAL: a thread whose leader is elsewhere (v1 tasks may be split); ended by its leader.
    if (!pidfd && !gone(pidfd.error()) && pidfd.error().sys_errno != EINVAL) {
      return std::unexpected(std::move(pidfd.error()));
    }
  }
  for (const pid_t pid : TRY(processes())) {
    const auto found = opened.find(pid);
    if (found == opened.end()) continue;
    const auto status = kernel_->pidfd_send_signal(found->second.get(), signal);
    if (!status && !gone(status.error())) return status;
  }
  return {};
}

Result<const Cgroup::Place*> Cgroup::freezer() const {
  const Place* place = place_of("freezer");
  if (place == nullptr) place = place_of("");
  if (place == nullptr) {
    return unsupported("cgroup.no-controller", "this host has no cgroup freezer",
                       "mount the freezer controller or cgroup2");
  }
  if (!place->leaf) return internal("cgroup.gone", "the control group does not exist any more");
  return place;
}

Result<bool> Cgroup::is_frozen(const Place& place, bool wholly) const {
  if (!place.hierarchy.v2) {
    const std::string text = TRY(read_file(*kernel_, place.leaf.get(), "freezer.state"));
    return wholly ? trim(text) == "FROZEN" : trim(text) != "THAWED";
  }
  if (!wholly) {
    return trim(TRY(read_file(*kernel_, place.leaf.get(), "cgroup.freeze"))) == "1";
  }
  const std::string events = TRY(read_file(*kernel_, place.leaf.get(), "cgroup.events"));
  return events.find("frozen 1") != std::string::npos;
}

Status Cgroup::set_frozen(const Place& place, bool wanted) {
  if (place.hierarchy.v2) {
    return write_file(*kernel_, place.leaf.get(), "cgroup.freeze", wanted ? "1" : "0");
  }
  return write_file(*kernel_, place.leaf.get(), "freezer.state", wanted ? "FROZEN" : "THAWED");
}

Status Cgroup::await_frozen(const Place& place, bool wanted, milliseconds patience) {
  Patience left(Clock::now() + patience);
  while (true) {
    // v1 can stay in FREEZING while tasks fork: asking again makes it look again.
    TRY(set_frozen(place, wanted));
    if (TRY(is_frozen(place, wanted)) == wanted) return {};
    if (!left.wait()) break;
  }
  return internal(
      "cgroup.freeze",
      std::string("the control group does not become ") + (wanted ? "frozen" : "thawed"),
      "a process is stuck in the kernel; see its stack in /proc/PID/stack");
}

Status Cgroup::freeze(bool frozen) {
  const Place* place = TRY(freezer());
  auto status = await_frozen(*place, frozen, kFreezePatience);
  if (!status && frozen) (void)set_frozen(*place, false);  // all or nothing
  return status;
}

Result<bool> Cgroup::frozen() const {
  return is_frozen(*TRY(freezer()), false);
}

Status Cgroup::thaw() {
  const auto is = frozen();
  if (!is || !*is) return {};
  const Status done = freeze(false);
  const int why = done ? 0 : done.error().sys_errno;
  return why == ENOENT || why == ENODEV ? Status() : done;
}

// While frozen nobody can fork away from the list; a v1 task dies of SIGKILL only when thawed.
Status Cgroup::kill_frozen() {
  const auto place = freezer();
  if (!place) return signal_all(SIGKILL);
  (void)await_frozen(**place, true, kKillRound / 2);  // half frozen is still better than running
  const auto killed = signal_all(SIGKILL);
  TRY(set_frozen(**place, false));
  return killed;
}

// cgroup.kill (Linux 5.14) ends the whole tree at once, forks included; it does not thaw v1.
bool Cgroup::kill_by_file() {
  const Place* place = place_of("");
  if (place == nullptr || !place->leaf) return false;
  if (!write_file(*kernel_, place->leaf.get(), "cgroup.kill", "1")) return false;
  (void)set_frozen(*place, false);
  const Place* v1 = place_of("freezer");
  if (v1 != nullptr && v1->leaf) (void)set_frozen(*v1, false);
  return true;
}

Result<bool> Cgroup::becomes_empty(milliseconds patience) const {
  Patience left(Clock::now() + patience);
  while (true) {
    if (TRY(processes()).empty()) return true;
    if (!left.wait()) return false;
  }
}

Status Cgroup::kill_all(milliseconds deadline) {
  const auto end = Clock::now() + deadline;
  if (TRY(processes()).empty()) return {};
  if (kill_by_file() && TRY(becomes_empty(std::min(deadline, kKillRound)))) return {};
  while (true) {
    TRY(kill_frozen());
    const auto left = std::chrono::duration_cast<milliseconds>(end - Clock::now());
    if (TRY(becomes_empty(std::clamp(left, milliseconds(0), kKillRound)))) return {};
    if (Clock::now() >= end) break;
  }
  const auto rest = TRY(processes());
  return internal("cgroup.kill",
                  std::to_string(rest.size()) +
                      " processes of the control group do not end, first " +
                      std::to_string(rest.empty() ? 0 : rest.front()),
                  "they are stuck in the kernel; see /proc/PID/stack");
}

}  // namespace casemate::cgroup
