#include "shim/run/exec_target.h"

#include "shim/base/encoding.h"
#include "shim/plan/stored.h"
#include "shim/run/container.h"
#include "shim/warden/container_dir.h"
#include "shim/warden/holdings.h"
#include "shim/warden/journal.h"

namespace casemate::run {

// Engines know these words from other runtimes.
std::unexpected<Error> stopped_container(const std::string& id) {
  return bad_input("container.not-running", "cannot exec in a stopped container",
                   "the container " + id + " has ended");
}

namespace {

using warden::ContainerDir;

Result<warden::StateRecord> running_state(Runtime& runtime, ContainerDir& directory,
                                          const std::string& id) {
  auto record = directory.load_state();
  const bool unmade = !record && record.error().sys_errno == ENOENT;
  if (!record && !unmade) return record;
  std::string_view status = "creating";
  if (record) {
    const auto journalled = TRY(warden::journal_state(runtime.kernel, directory.fd()));
    const bool alive = warden::process_alive(record->pid, record->pid_start_time);
    status = warden::oci_status(journalled, alive);
  }
  if (status == "stopped") return stopped_container(id);
  if (status == "running" || status == "created") return record;
  return bad_input("container.state",
                   "container " + id + " is " + std::string(status) + ", not running",
                   "see `casemate state " + id + "`");
}

Result<plan::Plan> load_applied_plan(ContainerDir& directory, const warden::StateRecord& record) {
  const Json json = TRY(directory.load_plan());
  if ("sha256:" + sha256_hex(dump(json)) != record.plan_digest)
    return internal("plan.stored", "plan.json is not the plan that was applied",
                    "the container's plan.json was changed; end the container");
  return plan::load_process_steps(json);
}

// Of all groups that the warden holds, the one in which init is.
Result<cgroup::Cgroup> cgroup_of(sys::Kernel& kernel, const warden::Holdings& holdings) {
  Error last = internal("cgroup.gone", "the container's control group is not known").error();
  for (const warden::HeldCgroup& held : holdings.cgroups) {
    auto cgroup = TRY(cgroup::Cgroup::from_json(kernel, held.saved));
    const Status member = cgroup.check_member(holdings.init_pid);
    if (member) return cgroup;
    last = member.error();
  }
  return std::unexpected(std::move(last));
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

Result<ExecTarget> find_exec_target(Runtime& runtime, const std::string& id, bool ignore_paused) {
  ContainerDir directory = TRY(
      ContainerDir::open(runtime.kernel, runtime.config.paths.state, runtime.settings.root, id));
  const auto record = TRY(running_state(runtime, directory, id));
  // Its pidfd, opened between two looks at the start time.
  auto holdings = TRY(warden::load_holdings(runtime.kernel, directory.fd(), id));
  if (!holdings.init || holdings.init_pid != record.pid) return stopped_container(id);
  plan::Plan stored = TRY(load_applied_plan(directory, record));
  auto cgroup = cgroup_of(runtime.kernel, holdings);
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
  return target;
}

}  // namespace casemate::run
