#include "shim/run/freeze.h"

#include <signal.h>

#include <cstdlib>

#include "shim/fs/host_file.h"
#include "shim/run/container.h"

namespace casemate::run {
namespace {

constexpr std::size_t kMaxStatus = 1 << 16;

// A v1 freezer holds even a process that was sent SIGKILL before. Whoever sends SIGKILL thaws what
// he finds frozen, so one that came before our look is seen here, and one after it sees us.
Result<bool> was_killed(Runtime& runtime, pid_t init) {
  const auto text =
      fs::read_file(runtime.kernel, "/proc/" + std::to_string(init) + "/status", kMaxStatus);
  if (!text && text.error().sys_errno == ENOENT) return true;
  if (!text) return std::unexpected(text.error());
  return kill_pending(*text);
}

}  // namespace

bool kill_pending(std::string_view status) {
  constexpr unsigned long long kKill = 1ULL << (SIGKILL - 1);
  for (const std::string_view key : {"\nSigPnd:", "\nShdPnd:"}) {
    const std::size_t at = status.find(key);
    if (at == std::string_view::npos) continue;
    const std::string mask(status.substr(at + key.size(), 17));
    if ((std::strtoull(mask.c_str(), nullptr, 16) & kKill) != 0) return true;
  }
  return false;
}

Status pause(Runtime& runtime, const std::string& id) {
  Locked container = TRY(lock_living(runtime, id));
  if (container.state.value("status", "") == "paused") return not_running(id, "is paused already");
  auto group = TRY(cgroup_of(runtime, container.directory));
  TRY(group.freeze(true));
  const auto killed = was_killed(runtime, container.state.value("pid", 0));
  Status done = killed && !*killed ? audit(runtime, "pause", id, {{"root", runtime.settings.root}})
                : killed           ? Status(not_running(id, "was killed"))
                                   : Status(std::unexpected(killed.error()));
  if (!done) static_cast<void>(group.freeze(false));
  return done;
}

Status resume(Runtime& runtime, const std::string& id) {
  Locked container = TRY(lock_living(runtime, id));
  if (container.state.value("status", "") != "paused")
    return bad_input("container.not-paused", "container not paused",
                     "the container " + id + " is " + container.state.value("status", ""));
  TRY(audit(runtime, "resume", id, {{"root", runtime.settings.root}}));
  auto group = TRY(cgroup_of(runtime, container.directory));
  return group.thaw();  // a signal that waited may end it at once
}

}  // namespace casemate::run
