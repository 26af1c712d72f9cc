#include "shim/run/exec_target.h"

#include "shim/plan/stored.h"
#include "shim/run/container.h"
#include "shim/run/stored_plan.h"
#include "shim/warden/holdings.h"

namespace casemate::run {

// Engines know these words from other runtimes.
std::unexpected<Error> stopped_container(const std::string& id) {
  return bad_input("container.not-running", "cannot exec in a stopped container",
                   "the container " + id + " has ended");
}

namespace {

using warden::ContainerDir;

Result<warden::StateRecord> running_state(Runtime& runtime, ContainerDir& directory) {
  auto record = directory.load_state();
  const bool unmade = !record && record.error().sys_errno == ENOENT;
  if (unmade) return wrong_state(directory.id(), "creating", "running");
  if (!record) return record;
  const std::string status = TRY(status_by(runtime, directory, *record));
  if (status == "stopped") return stopped_container(directory.id());
  if (status == "creating") return wrong_state(directory.id(), status, "running");
  return record;
}

// A process that joins a frozen group stops in the middle of joining.
Status check_thawed(const cgroup::Cgroup& cgroup) {
  const auto frozen = cgroup.frozen();
  const bool no_freezer = !frozen && frozen.error().rule == "cgroup.no-controller";
  if (no_freezer) return {};
  if (!TRY(frozen)) return {};
  return bad_input("container.paused",
                   "cannot exec in a paused container (use --ignore-paused to override)",
                   "resume the container");
}

}  // namespace

bool init_lives(const ExecTarget& target) {
  return warden::pidfd_alive(target.init_pidfd.get());
}

Result<ExecTarget> find_exec_target(Runtime& runtime, const std::string& id,
                                    const std::map<std::string, std::string>& below,
                                    bool ignore_paused) {
  ContainerDir directory = TRY(find_container(runtime, id));
  const auto record = TRY(running_state(runtime, directory));
  // Its pidfd, opened between two looks at the start time.
  auto holdings = TRY(warden::load_holdings(runtime.kernel, directory.fd(), id));
  if (!holdings.init || holdings.init_pid != record.pid) return stopped_container(id);
  const std::string text = TRY(stored_plan_unlocked(directory, record));
  plan::Plan stored = TRY(plan::load_process_steps(TRY(parse_json(text))));
  auto cgroup = cgroup_of(runtime, directory);
  if (!cgroup && !warden::pidfd_alive(holdings.init.get())) return stopped_container(id);
  ExecTarget target{.init = holdings.init_pid,
                    .init_pidfd = std::move(holdings.init),
                    .profile = text_at(record.extra, "profile"),
                    .stored = std::move(stored),
                    .spec = {},
                    .cgroup = TRY(std::move(cgroup)),
                    .hierarchies = TRY(cgroup::read_hierarchies(runtime.kernel))};
  target.spec = plan::spec_of(target.stored);
  if (!ignore_paused) TRY(check_thawed(target.cgroup));
  TRY(target.cgroup.descend(below));
  if (!ignore_paused && !below.empty()) TRY(check_thawed(target.cgroup));
  return target;
}

}  // namespace casemate::run
