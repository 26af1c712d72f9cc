#include "shim/run/exec.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "policy/decide.h"
#include "shim/apply/prepare.h"
#include "shim/base/encoding.h"
#include "shim/fs/host_file.h"
#include "shim/run/admission.h"
#include "shim/run/audit_facts.h"
#include "shim/run/console.h"
#include "shim/run/host_facts.h"
#include "shim/run/preserved_fds.h"

namespace casemate::run {
namespace {

// The process is ours and not reaped: its number is nobody else's. One that a frozen group keeps is
// left to whoever thaws it.
void end_child(ExecChild& child) {
  if (child.pid <= 0) return;
  constexpr int kPatienceMs = 5'000;
  ::kill(child.pid, SIGKILL);
  pollfd ended{.fd = child.pidfd.get(), .events = POLLIN, .revents = 0};
  if (::poll(&ended, 1, kPatienceMs) > 0) static_cast<void>(::waitpid(child.pid, nullptr, 0));
  child = ExecChild{};
}

struct Decided {
  policy::Decision decision;
  plan::ExecPlan plan;
  std::string profile_digest;
};

Result<Decided> decide_and_compile(Runtime& runtime, const ExecRequest& request,
                                   const ExecTarget& target) {
  const LoadedProfile loaded = TRY(load_profile(runtime, target.profile));
  const policy::HostFacts host = TRY(read_host_facts(runtime.kernel, target.hierarchies));
  const oci::Process asked = TRY(asked_process(request, *target.spec.process));
  Decided out;
  out.profile_digest = loaded.digest;
  out.decision = policy::decide_exec(asked, target.spec, loaded.profile, host, {});
  if (out.decision.denied) return std::unexpected(policy::refusal(out.decision));
  TRY(check_preserved_allowed(request.preserve_fds, loaded.profile));
  const plan::ExecInputs inputs{.id = request.id,
                                .namespaces = "/proc/" + std::to_string(target.init) + "/ns/",
                                .selinux_enabled = host.selinux,
                                .personality = out.decision.spec.linux.personality};
  out.plan = TRY(plan::compile_exec(*out.decision.spec.process, target.stored, inputs));
  return out;
}

Result<apply::Prepared> prepare_filters(Runtime& runtime, const plan::Plan& plan,
                                        const ExecTarget& target) {
  const std::string cache = runtime.config.paths.state + "/seccomp";
  const UniqueFd cache_dir = TRY(fs::make_directories(runtime.kernel, cache, 0700));
  const apply::HostPaths no_paths(runtime.kernel);
  return apply::prepare(runtime.kernel, plan,
                        {.paths = no_paths,
                         .hierarchies = target.hierarchies,
                         .cgroup = target.cgroup,
                         .datasets = {},
                         .seccomp_cache = cache_dir.get()});
}

// The arguments may hold what nobody should read later: their digest stands for them.
Json allow_facts(const ExecRequest& request, const Decided& decided, const ExecTarget& target,
                 pid_t pid) {
  const oci::Process& process = *decided.decision.spec.process;
  Json facts = {{"program", bounded_text(process.args[0])},
                {"args", "sha256:" + sha256_hex(dump(Json(process.args)))},
                {"cwd", bounded_text(process.cwd, kMostName)},
                {"user", {{"uid", process.user.uid}, {"gid", process.user.gid}}},
                {"terminal", process.terminal},
                {"pid", pid},
                {"profile", {{"name", target.profile}, {"digest", decided.profile_digest}}},
                {"plan", decided.plan.whole().digest()},
                {"decision", decision_facts(decided.decision)}};
  for (const std::string& one : request.cgroups) facts["cgroups"].push_back(bounded_text(one));
  return facts;
}

Status launch_and_audit(Runtime& runtime, const ExecRequest& request, const Decided& decided,
                        const ExecTarget& target, Exec& exec) {
  auto prepared = TRY(prepare_filters(runtime, decided.plan.process, target));
  Console console =
      TRY(open_console(runtime.kernel, {.terminal = decided.decision.spec.process->terminal,
                                        .socket = request.console_socket,
                                        .own = request.own_terminal}));
  const auto patience =
      request.ignore_paused ? std::chrono::milliseconds(-1) : runtime.settings.init_deadline;
  TRY(launch_exec(runtime.kernel,
                  {.plan = decided.plan,
                   .prepared = prepared,
                   .target = target,
                   .console_socket = console.socket.get(),
                   .preserve_fds = request.preserve_fds,
                   .deadline = patience},
                  exec.child));
  if (console.own) exec.terminal = TRY(receive_terminal(runtime.kernel, console));
  return audit(runtime, "exec.allow", request.id,
               allow_facts(request, decided, target, exec.child.pid));
}

Result<Exec> prepare_unaudited(Runtime& runtime, const ExecRequest& request) {
  TRY(check_preserved_open(request.preserve_fds));
  const auto below = TRY(parse_subgroups(request.cgroups));
  const ExecTarget target =
      TRY(find_exec_target(runtime, request.id, below, request.ignore_paused));
  const Decided decided = TRY(decide_and_compile(runtime, request, target));
  Exec exec;
  Status done = launch_and_audit(runtime, request, decided, target, exec);
  if (done) return exec;
  end_child(exec.child);
  // Whatever failed last: the reason is that there is no container any more.
  if (!init_lives(target)) return stopped_container(request.id);
  return std::unexpected(std::move(done.error()));
}

Status release(Runtime& runtime, const ExecRequest& request, Exec& exec) {
  TRY(release_exec(runtime.kernel, exec.child, runtime.settings.init_deadline));
  if (request.pid_file.empty()) return {};
  return fs::write_atomically(runtime.kernel, request.pid_file, std::to_string(exec.child.pid),
                              0644);
}

}  // namespace

Result<Exec> prepare_exec(Runtime& runtime, const ExecRequest& request) {
  auto exec = prepare_unaudited(runtime, request);
  if (exec) return exec;
  TRY(audit(runtime, "exec.deny", request.id, error_facts(exec.error())));
  return exec;
}

Status start_exec(Runtime& runtime, const ExecRequest& request, Exec& exec) {
  Status started = release(runtime, request, exec);
  if (started) return started;
  end_child(exec.child);
  TRY(audit(runtime, "exec.deny", request.id, error_facts(started.error())));
  return started;
}

}  // namespace casemate::run
