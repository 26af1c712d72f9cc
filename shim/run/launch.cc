#include "shim/run/launch.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shim/apply/hooks.h"
#include "shim/apply/observe.h"
#include "shim/apply/user_namespace.h"
#include "shim/fs/host_file.h"
#include "shim/plan/check.h"
#include "shim/plan/names.h"
#include "shim/run/child_namespace.h"
#include "shim/run/console.h"
#include "shim/run/init_process.h"
#include "shim/run/intermediate.h"
#include "shim/run/preserved_fds.h"

namespace casemate::run {
namespace {

struct NamespacePlan {
  std::uint64_t clone_flags = 0;
  std::vector<JoinedNamespace> joined;  // by init, or for it
  UniqueFd pid_namespace;               // by the parent, for its child
  bool user = false;                    // a user namespace, new or joined
};

NamespacePlan plan_namespaces(const plan::Plan& plan, std::vector<JoinedNamespace> joined) {
  NamespacePlan out;
  const auto* step = plan.find<plan::Namespaces>();
  for (const oci::Namespace& one : step->all) {
    out.user = out.user || one.type == oci::NamespaceType::user;
    // The parent enters a new time namespace before it clones; init makes its own cgroup namespace
    // once it is in its cgroup, which becomes the root of it.
    const bool later =
        one.type == oci::NamespaceType::time || one.type == oci::NamespaceType::cgroup;
    if (one.path.empty() && !later) out.clone_flags |= plan::clone_flag(one.type);
  }
  for (JoinedNamespace& one : joined)
    if (one.type == oci::NamespaceType::pid)
      out.pid_namespace = std::move(one.fd);
    else
      out.joined.push_back(std::move(one));
  return out;
}

std::string offset_line(const char* clock, const std::optional<oci::TimeOffset>& offset) {
  if (!offset) return {};
  return std::string(clock) + " " + std::to_string(offset->secs) + " " +
         std::to_string(offset->nanosecs) + "\n";
}

Status enter_time_namespace(sys::Kernel& kernel, const plan::Plan& plan) {
  TRY(kernel.unshare(CLONE_NEWTIME));
  const auto* offsets = plan.find<plan::TimeOffsets>();
  if (offsets == nullptr) return {};
  const std::string text =
      offset_line("monotonic", offsets->monotonic) + offset_line("boottime", offsets->boottime);
  return fs::write_kernel_file(kernel, "/proc/self/timens_offsets", text);
}

Result<sys::Child> clone_init(sys::Kernel& kernel, const plan::Plan& plan,
                              NamespacePlan& namespaces, int v2_cgroup,
                              std::span<const int> not_for_init,
                              std::chrono::milliseconds deadline) {
  ChildNamespace time(kernel, CLONE_NEWTIME);
  if (plan.find<plan::Namespaces>()->makes(oci::NamespaceType::time)) {
    TRY(time.remember("time"));
    TRY(enter_time_namespace(kernel, plan));
  }
  ChildNamespace pid(kernel, CLONE_NEWPID);
  if (namespaces.pid_namespace) {
    TRY(pid.remember("pid"));
    TRY(kernel.setns(namespaces.pid_namespace.get(), CLONE_NEWPID));
  }
  const bool between = namespaces.user && !namespaces.joined.empty();
  sys::Child child =
      TRY(between ? clone_through_intermediate(kernel, {.joined = namespaces.joined,
                                                        .flags = namespaces.clone_flags,
                                                        .v2_cgroup = v2_cgroup,
                                                        .not_for_init = not_for_init,
                                                        .deadline = deadline})
                  : kernel.clone3({.flags = namespaces.clone_flags, .cgroup_fd = v2_cgroup}));
  if (child.pid == 0) {
    time.stay();
    pid.stay();
  }
  return child;
}

// What takes the host's rights and init's own number. In a user namespace init may not lower its
// OOM score, and while it is hidden there its own /proc files are not its own.
Status set_up_from_outside(sys::Kernel& kernel, const plan::Plan& plan, pid_t pid) {
  const auto* maps = plan.find<plan::IdMaps>();
  if (maps == nullptr) return {};
  if (plan.find<plan::Namespaces>()->makes(oci::NamespaceType::user))
    TRY(apply::write_id_maps(kernel, pid, maps->uids, maps->gids));
  const std::string proc = "/proc/" + std::to_string(pid);
  if (const auto* oom = plan.find<plan::SetOomScore>())
    TRY(fs::write_kernel_file(kernel, proc + "/oom_score_adj", std::to_string(oom->score)));
  for (const plan::Step& step : plan.steps)
    if (const auto* limit = std::get_if<plan::SetRlimit>(&step))
      if (plan::forbids_dumps(*limit))
        TRY(fs::write_kernel_file(kernel, proc + "/coredump_filter", "0"));
  return {};
}

ConsoleRequest console_request(const Admission& admission) {
  return {.terminal = admission.plan.find<plan::AttachConsole>() != nullptr,
          .socket = admission.request.console_socket,
          .own = admission.request.own_terminal};
}

Status run_parent_hooks(Runtime& runtime, const Admission& admission, pid_t pid) {
  const std::string state = dump(oci_state(admission, "creating", pid));
  for (const plan::Step& step : admission.plan.steps) {
    const auto* hooks = std::get_if<plan::RunHooks>(&step);
    if (hooks == nullptr || plan::executor_of(step) != plan::Executor::parent) continue;
    TRY(apply::run_hooks(runtime.kernel, hooks->hooks, admission.paths, state));
  }
  return {};
}

Status read_back_cgroup(const Admission& admission, const cgroup::Cgroup& cgroup, pid_t init) {
  TRY(cgroup.check_member(init));
  return cgroup.check_limits(admission.plan.find<plan::CreateCgroup>()->resources);
}

Status read_back_init(Runtime& runtime, const Admission& admission,
                      const apply::InitIdentity& init) {
  plan::Observed observed = TRY(apply::observe(runtime.kernel, admission.plan, init));
  observed.in_cgroup = true;
  return plan::check(admission.plan, observed);
}

// What needs no answer of init's is done while init is at work.
Status build_and_read_back(Runtime& runtime, Admission& admission, const cgroup::Cgroup& cgroup,
                           warden::ContainerDir& directory, warden::WardenClient& warden,
                           const Launched& launched, apply::InitIdentity init) {
  sys::Kernel& kernel = runtime.kernel;
  TRY(set_up_from_outside(kernel, admission.plan, launched.pid));
  TRY(run_parent_hooks(runtime, admission, launched.pid));
  TRY(kernel.write(launched.sync_socket.get(), "g"));
  TRY(directory.save_plan(admission.plan_text));
  const auto deadline = runtime.settings.init_deadline;
  const InitMessage attached = TRY(receive_from_init(kernel, launched.sync_socket.get(), deadline));
  init.attached = TRY(parse_attached(attached.text));
  TRY(read_back_cgroup(admission, cgroup, init.pid));  // init joined it before it built anything
  TRY(receive_from_init(kernel, launched.sync_socket.get(), deadline));
  TRY(warden.acknowledged());
  return read_back_init(runtime, admission, init);
}

}  // namespace

Json oci_state(const Admission& admission, std::string_view status, pid_t pid) {
  Json annotations = Json::object();
  for (const auto& [key, value] : admission.decision.spec.annotations) annotations[key] = value;
  return {{"ociVersion", admission.decision.spec.oci_version},
          {"id", admission.request.id},
          {"status", status},
          {"pid", pid},
          {"bundle", admission.request.bundle},
          {"annotations", std::move(annotations)}};
}

Result<Launched> launch(Runtime& runtime, Admission& admission, apply::Prepared prepared,
                        JobCgroup& job, warden::ContainerDir& directory,
                        warden::WardenClient& warden, pid_t& pid) {
  sys::Kernel& kernel = runtime.kernel;
  auto joined = TRY(inodes_of(kernel, admission.joined));
  NamespacePlan namespaces = plan_namespaces(admission.plan, std::move(admission.joined));
  Console console = TRY(open_console(kernel, console_request(admission)));
  auto [sync, init_sync] = TRY(kernel.socketpair(SOCK_SEQPACKET));
  auto [start, init_start] = TRY(kernel.socketpair(SOCK_SEQPACKET));

  const std::vector<UniqueFd> cgroup_files = TRY(job.group.open_for_self());
  const std::vector<int> not_for_init = {warden.socket(), directory.fd()};
  sys::Child child = TRY(clone_init(kernel, admission.plan, namespaces, job.group.v2_fd(),
                                    not_for_init, runtime.settings.init_deadline));
  if (child.pid == 0) {
    sync.reset();
    start.reset();
    console.own.reset();
    run_init(kernel, {.plan = admission.plan,
                      .prepared = prepared,
                      .joined = namespaces.joined,
                      .cgroup_files = cgroup_files,
                      .state = oci_state(admission, "creating", 0),
                      .sync_socket = init_sync.get(),
                      .start_socket = init_start.get(),
                      .console_socket = console.socket.get(),
                      .preserve_fds = admission.request.preserve_fds,
                      .not_for_init = not_for_init});
  }
  pid = child.pid;
  apply::InitIdentity init{.pid = child.pid, .joined = std::move(joined)};
  init.own_descriptors = preserved_fds(admission.request.preserve_fds);
  init.own_descriptors.insert(init.own_descriptors.end(), {init_sync.get(), init_start.get()});
  init_sync.reset();
  init_start.reset();
  TRY(warden.hold_init(child.pid, child.pidfd.get(), start.get()));
  job.keeper.reset();
  Launched launched{child.pid, std::move(child.pidfd), std::move(sync), {}};
  console.socket.reset();
  TRY(build_and_read_back(runtime, admission, job.group, directory, warden, launched,
                          std::move(init)));
  if (console.own) launched.terminal = TRY(receive_terminal(kernel, console));
  return launched;
}

}  // namespace casemate::run
