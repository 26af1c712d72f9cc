#include "shim/run/exec.h"

#include "shim/cli/command.h"
#include "shim/cli/create_options.h"
#include "shim/cli/signal_relay.h"
#include "shim/fs/host_file.h"

namespace casemate::cli {
namespace {

constexpr std::size_t kMaxProcess = 1 << 20;

Status refuse_unserved(const Args& args) {
  for (const char* option : {"--apparmor", "--pidfd-socket"})
    if (args.has(option))
      return unsupported("cli." + std::string(option + 2),
                         std::string(option) + " is not served by this runtime",
                         "leave the option out");
  return {};
}

// A process.json says everything; an option beside it would have to lose.
Status check_process_alone(const Args& args) {
  for (const char* option : {"--cwd", "--env", "--user", "--additional-gids", "--cap",
                             "--no-new-privs", "--process-label"})
    if (args.has(option))
      return bad_input("cli.arguments", std::string(option) + " beside --process",
                       "write it into the process file");
  if (args.positional().size() > 1)
    return bad_input("cli.arguments", "a command beside --process", "leave one of them out");
  return {};
}

Status take_process(run::Runtime& runtime, const Args& args, run::ExecRequest& request) {
  if (args.has("--process")) {
    TRY(check_process_alone(args));
    request.process_json = TRY(fs::read_file(runtime.kernel, args.value("--process"), kMaxProcess));
    return {};
  }
  const auto& words = args.positional();
  request.args.assign(words.begin() + 1, words.end());
  request.env = args.values("--env");
  request.cwd = args.value("--cwd");
  request.user = args.value("--user");
  request.additional_gids = args.values("--additional-gids");
  request.capabilities = args.values("--cap");
  request.process_label = args.value("--process-label");
  request.no_new_privileges = args.has("--no-new-privs");
  return {};
}

Result<run::ExecRequest> exec_request(run::Runtime& runtime, const Args& args) {
  TRY(refuse_unserved(args));
  run::ExecRequest request;
  request.id = args.positional()[0];
  TRY(take_process(runtime, args, request));
  request.terminal = args.has("--tty");
  if (args.has("--pid-file")) request.pid_file = TRY(absolute(args.value("--pid-file")));
  request.console_socket = args.value("--console-socket");
  request.own_terminal = !args.has("--detach");
  request.preserve_fds = TRY(args.number("--preserve-fds", 0, 0, 1024));
  request.cgroups = args.values("--cgroup");
  request.ignore_paused = args.has("--ignore-paused");
  return request;
}

}  // namespace

Result<int> exec_command(run::Runtime& runtime, const Args& args) {
  const run::ExecRequest request = TRY(exec_request(runtime, args));
  run::Exec exec = TRY(run::prepare_exec(runtime, request));
  if (args.has("--detach")) {
    TRY(run::start_exec(runtime, request, exec));
    return 0;
  }
  SignalRelay relay;
  std::optional<Terminal> terminal;
  if (exec.terminal) terminal.emplace(std::move(exec.terminal));
  TRY(run::start_exec(runtime, request, exec));
  return relay.wait(exec.child.pid, terminal ? &*terminal : nullptr);
}

}  // namespace casemate::cli
