#include "shim/run/create.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shim/apply/prepare.h"
#include "shim/base/clock.h"
#include "shim/fs/host_file.h"
#include "shim/run/audit_facts.h"
#include "shim/run/container.h"
#include "shim/run/datasets.h"
#include "shim/run/late_hooks.h"
#include "shim/run/launch.h"
#include "shim/run/lifecycle.h"
#include "shim/run/notify.h"
#include "shim/run/preserved_fds.h"
#include "shim/run/unit.h"
#include "shim/warden/harden.h"
#include "shim/warden/journal.h"

namespace casemate::run {
namespace {

using std::chrono::milliseconds;
using warden::ContainerDir;
using warden::WardenClient;

// What there is of a container that may still fail.
struct Attempt {
  pid_t pid = -1;
  UniqueFd terminal;
  std::optional<systemd::Unit> unit = {};  // that systemd may have been asked for
};

struct Staged {
  std::map<std::string, UniqueFd> mounts;
  Json facts = Json::array();
};

std::string dataset_line(const Json& facts) {
  const auto number = [&](const char* key) {
    const auto at = facts.find(key);
    return at != facts.end() && at->is_number() ? at->get<double>() : 0.0;
  };
  char rates[96];
  std::snprintf(rates, sizeof rates, "%.1f MiB in %.0f files, %.2f GiB/s",
                number("bytes") / (1 << 20), number("files"), number("gibPerSecond"));
  return "dataset " + facts.value("id", "") + " opened with key " + facts.value("slot", "") + ", " +
         rates;
}

// Known to the warden from before it exists to after it is gone.
Result<cgroup::Cgroup> make_held_cgroup(Runtime& runtime, const Admission& admission,
                                        WardenClient& warden, const std::string& path) {
  TRY(warden.intend_cgroup(path));
  TRY(warden.acknowledged());
  auto cgroup = TRY(cgroup::Cgroup::create(runtime.kernel, admission.hierarchies, path));
  TRY(warden.hold_cgroup(cgroup.to_json(), path));
  return cgroup;
}

// The decrypting process has a cgroup beside the job's: should we die, the warden ends it before it
// wipes what is decrypted by then.
Result<Staged> stage_datasets(Runtime& runtime, Admission& admission, WardenClient& warden) {
  Staged staged;
  if (!admission.job || admission.job->request.datasets.empty()) return staged;
  // Below a slice all is systemd's; this one is ours.
  const std::string beside = admission.scope ? own_cgroup(runtime.settings, admission.request.id)
                                             : admission.plan.find<plan::CreateCgroup>()->path;
  const std::string path = beside + "-unseal";
  auto cgroup = TRY(make_held_cgroup(runtime, admission, warden, path));
  const auto files = TRY(cgroup.open_for_self(/*and_v2=*/true));
  DatasetPlace place;
  for (const UniqueFd& file : files) place.cgroups.push_back(file.get());
  for (const policy::JobDataset& dataset : admission.job->request.datasets) {
    place.hold = [&](UniqueFd holder) -> Status {
      TRY(warden.hold_mount("dataset:" + dataset.id, holder.get()));
      return warden.acknowledged();
    };
    OpenedDataset opened = TRY(open_dataset(runtime, dataset, *admission.job,
                                            admission.image ? admission.image->signer : "",
                                            admission.profile, admission.decision.spec, place));
    runtime.progress.done(dataset_line(opened.facts));
    staged.mounts[dataset.id] = std::move(opened.mount);
    staged.facts.push_back(std::move(opened.facts));
  }
  TRY(cgroup.remove());
  return staged;
}

// A scope needs no intent before: its unit is on record.
Result<JobCgroup> make_scope(Runtime& runtime, const Admission& admission, ContainerDir& directory,
                             WardenClient& warden, Attempt& attempt) {
  attempt.unit = TRY(record_unit(admission, directory));
  JobCgroup job = TRY(start_scope(runtime, admission, directory, *attempt.unit));
  TRY(warden.hold_cgroup(job.group.to_json()));
  return job;
}

Result<JobCgroup> stage_cgroup(Runtime& runtime, const Admission& admission,
                               ContainerDir& directory, WardenClient& warden, Attempt& attempt) {
  const auto* step = admission.plan.find<plan::CreateCgroup>();
  JobCgroup job = step->scope
                      ? TRY(make_scope(runtime, admission, directory, warden, attempt))
                      : JobCgroup{TRY(make_held_cgroup(runtime, admission, warden, step->path))};
  TRY(job.group.limit(step->resources));
  return job;
}

// Everything that the job may write to and that lives in memory.
Status hold_scratch(const plan::Plan& plan, const apply::Prepared& prepared, WardenClient& warden) {
  if (prepared.upper) TRY(warden.hold_mount("upper", prepared.upper.get()));
  for (const auto& [index, mount] : prepared.mounts) {
    const auto& step = std::get<plan::AttachMount>(plan.steps[index]);
    if (step.kind == plan::MountKind::scratch)
      TRY(warden.hold_mount("tmpfs:" + step.destination, mount.get()));
  }
  return {};
}

Result<apply::Prepared> stage_mounts(Runtime& runtime, Admission& admission,
                                     const ContainerDir& directory, const cgroup::Cgroup& cgroup,
                                     Staged staged, WardenClient& warden) {
  const std::string cache = runtime.config.paths.state + "/seccomp";
  const UniqueFd cache_dir = TRY(fs::make_directories(runtime.kernel, cache, 0700));
  UniqueFd notify;
  if (admission.decision.notify) notify = TRY(make_notify_folder(runtime.kernel, directory.fd()));
  apply::Prepared prepared = TRY(apply::prepare(runtime.kernel, admission.plan,
                                                {.paths = admission.paths,
                                                 .hierarchies = admission.hierarchies,
                                                 .cgroup = cgroup,
                                                 .datasets = std::move(staged.mounts),
                                                 .notify = notify.get(),
                                                 .seccomp_cache = cache_dir.get()}));
  TRY(hold_scratch(admission.plan, prepared, warden));
  return prepared;
}

warden::StateRecord state_record(const Admission& admission, const WardenClient& warden,
                                 const Attempt& attempt) {
  const oci::Spec& spec = admission.decision.spec;
  warden::StateRecord record;
  record.oci_version = spec.oci_version;
  record.id = admission.request.id;
  record.bundle = admission.request.bundle;
  record.created = now_rfc3339();
  record.pid = attempt.pid;
  record.pid_start_time = warden::process_start_time(attempt.pid);
  record.warden_pid = warden.warden_pid();
  record.twin_pid = warden.twin_pid();
  record.plan_digest = admission.plan_digest;
  for (const auto& [key, value] : spec.annotations) record.annotations[key] = value;
  record.extra = {{"profile", admission.profile.name}, {"laterHooks", later_hooks(admission.plan)}};
  return record;
}

Json allow_facts(const Admission& admission, const Settings& settings) {
  Json facts = admission.receipt_facts(settings);
  facts["decision"] = decision_facts(admission.decision);
  return facts;
}

// Waits for the end of a child, and no longer than the engine waits for us.
void reap(pid_t child) {
  constexpr int kPatienceMs = 15'000;
  const UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
  pollfd ended{.fd = pidfd.get(), .events = POLLIN, .revents = 0};
  if (pidfd && ::poll(&ended, 1, kPatienceMs) > 0) static_cast<void>(::waitpid(child, nullptr, 0));
}

// The end of our socket is its end, once it has undone what it holds.
void dismiss(WardenClient warden) {
  const pid_t pid = warden.warden_pid();
  {
    const WardenClient let_go = std::move(warden);
  }
  reap(pid);
}

// The warden sees our end of the socket close and undoes everything. Should it have committed after
// we gave up waiting for its answer, the end of init makes it clean up, and the rest is as in
// delete.
void roll_back(Runtime& runtime, const Admission& admission, ContainerDir& directory,
               WardenClient warden, const Attempt& attempt) {
  const pid_t init = attempt.pid;
  if (init > 0) ::kill(init, SIGKILL);  // our child, not reaped yet: nobody else has its pid
  dismiss(std::move(warden));
  if (init > 0) reap(init);
  Status discarded = directory.let_go_of_life_lock();
  if (discarded) discarded = discard(runtime, directory);
  // A warden that gave up before the unit was on record has removed the record, too.
  if (discarded && attempt.unit) discarded = manager_of(runtime).stop(*attempt.unit);
  if (!discarded)
    static_cast<void>(
        audit(runtime, "create.residue", admission.request.id, error_facts(discarded.error())));
  // Hooks may have set something up for an init that existed.
  if (init > 0)
    run_late_hooks(runtime, "poststop", admission.plan.to_json(),
                   oci_state(admission, "stopped", 0));
}

Status launch_and_commit(Runtime& runtime, Admission& admission, ContainerDir& directory,
                         WardenClient& warden, Attempt& attempt) {
  TRY(warden.open({.id = admission.request.id,
                   .root = runtime.settings.root,
                   .evidence = runtime.evidence(),
                   .facts = admission.receipt_facts(runtime.settings)},
                  directory.fd()));
  auto journal = TRY(warden::Journal::open(runtime.kernel, directory.fd()));
  TRY(journal.enter(warden::State::verified));
  if (admission.job) TRY(spend_nonce(runtime, admission.job->request));
  Staged staged = TRY(stage_datasets(runtime, admission, warden));
  const Json datasets = staged.facts;
  TRY(journal.enter(warden::State::staged));
  JobCgroup job = TRY(stage_cgroup(runtime, admission, directory, warden, attempt));
  apply::Prepared prepared =
      TRY(stage_mounts(runtime, admission, directory, job.group, std::move(staged), warden));
  Launched launched =
      TRY(launch(runtime, admission, std::move(prepared), job, directory, warden, attempt.pid));
  TRY(directory.save_state(state_record(admission, warden, attempt)));
  TRY(audit(runtime, "create.allow", admission.request.id,
            allow_facts(admission, runtime.settings)));
  TRY(warden.commit({{"datasets", datasets}}));
  attempt.terminal = std::move(launched.terminal);
  return directory.let_go_of_life_lock();
}

// Early and without waiting: the warden begins while the request is judged.
Result<WardenClient> spawn_warden(Runtime& runtime,
                                  const std::vector<cgroup::Hierarchy>& hierarchies) {
  const UniqueFd cgroup = warden::wardens_cgroup(runtime.kernel, hierarchies);
  return WardenClient::spawn(
      runtime.kernel, runtime.program("casemate-warden"),
      {.deadline = runtime.settings.warden_deadline, .v2_cgroup = cgroup.get()});
}

// What a create left that was killed while systemd was asked for a unit has the name no longer.
Result<ContainerDir> claim_directory(Runtime& runtime, const std::string& id) {
  const auto create = [&] {
    return ContainerDir::create(runtime.kernel, runtime.config.paths.state, runtime.settings.root,
                                id);
  };
  auto made = create();
  if (made || made.error().rule != "container.exists") return made;
  auto left = find_container(runtime, id);
  if (!left || !was_undone(runtime, *left)) return made;
  TRY(discard(runtime, *left));
  return create();
}

Result<Created> stage_and_launch(Runtime& runtime, Admission& admission, WardenClient warden) {
  auto directory = claim_directory(runtime, admission.request.id);
  if (!directory) {
    dismiss(std::move(warden));
    return std::unexpected(std::move(directory.error()));
  }
  Attempt attempt;
  const Status done = launch_and_commit(runtime, admission, *directory, warden, attempt);
  if (done)
    return Created{std::move(*directory), std::move(warden), attempt.pid,
                   std::move(attempt.terminal)};
  roll_back(runtime, admission, *directory, std::move(warden), attempt);
  return std::unexpected(done.error());
}

// The pid file is the last thing that appears: who reads it finds a container that stands.
Status write_pid_file(Runtime& runtime, const CreateRequest& request, pid_t pid) {
  if (request.pid_file.empty()) return {};
  return fs::write_atomically(runtime.kernel, request.pid_file, std::to_string(pid), 0644);
}

std::string facts_line(const Admission& admission) {
  const auto* capabilities = admission.plan.find<plan::SetCapabilities>();
  const auto* filter = admission.plan.find<plan::LoadSeccomp>();
  return "sandbox read back: " + std::to_string(admission.plan.steps.size()) + " steps hold, " +
         std::to_string(__builtin_popcountll(capabilities->effective)) + " capabilities, seccomp " +
         (filter != nullptr ? "on" : "off") +
         (admission.decision.spec.process->no_new_privileges ? ", no new privileges" : "");
}

Result<Created> create_audited(Runtime& runtime, const CreateRequest& request) {
  TRY(warden::check_id(request.id));
  TRY(check_preserved_open(request.preserve_fds));
  auto hierarchies = TRY(cgroup::read_hierarchies(runtime.kernel));
  WardenClient warden = TRY(spawn_warden(runtime, hierarchies));
  auto admission = admit(runtime, request, std::move(hierarchies));
  if (!admission) {
    dismiss(std::move(warden));
    return std::unexpected(std::move(admission.error()));
  }
  Created created = TRY(stage_and_launch(runtime, *admission, std::move(warden)));
  runtime.progress.done(facts_line(*admission));
  if (const Status written = write_pid_file(runtime, request, created.pid); !written) {
    // Whoever finds a pid file finds a container that stands.
    static_cast<void>(runtime.kernel.unlinkat(AT_FDCWD, request.pid_file, 0));
    roll_back(runtime, *admission, created.directory, std::move(created.warden),
              {.pid = created.pid});
    return std::unexpected(written.error());
  }
  return created;
}

}  // namespace

Result<Created> create(Runtime& runtime, const CreateRequest& request) {
  auto created = create_audited(runtime, request);
  if (created) return created;
  TRY(audit(runtime, "create.deny", request.id, error_facts(created.error())));
  return created;
}

}  // namespace casemate::run
