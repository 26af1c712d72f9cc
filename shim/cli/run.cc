#include <signal.h>
#include <sys/wait.h>

#include "shim/cli/command.h"
#include "shim/cli/create_options.h"
#include "shim/run/create.h"
#include "shim/run/lifecycle.h"

namespace casemate::cli {
namespace {

// Every signal but those that concern this process alone goes on to the container.
class SignalRelay {
 public:
  SignalRelay() {
    ::sigfillset(&signals_);
    for (const int own : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGPROF})
      ::sigdelset(&signals_, own);
    ::sigprocmask(SIG_BLOCK, &signals_, nullptr);
  }

  // The container's exit status as a shell shows it.
  int wait(pid_t init) {
    for (;;) {
      int status = 0;
      const pid_t ended = ::waitpid(init, &status, WNOHANG);
      if (ended == init) return exit_code(status);
      if (ended < 0) return static_cast<int>(ErrorClass::internal);  // not our child: cannot be
      const int signal = ::sigwaitinfo(&signals_, nullptr);
      const bool relayed = signal > 0 && signal != SIGCHLD && signal != SIGURG;
      if (relayed) ::kill(init, signal);
    }
  }

 private:
  static int exit_code(int status) {
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  }
  sigset_t signals_{};
};

void report_end(run::Runtime& runtime, const warden::EndRecord& end) {
  char wiped[128];
  std::snprintf(wiped, sizeof wiped, "wiped %.1f MiB in %llu files, %.2f s",
                static_cast<double>(end.wiped_bytes) / (1 << 20),
                static_cast<unsigned long long>(end.wiped_files), end.wipe_seconds);
  runtime.progress.done(wiped);
  if (!end.receipt.empty()) runtime.progress.done("receipt " + end.receipt);
}

// A job whose data may not be wiped, or that left no receipt, has not ended well whatever it says.
Result<int> finish(run::Runtime& runtime, run::Created& created, int code) {
  std::optional<warden::EndRecord> end;
  TRY(run::settle(runtime, created.directory, [&]() -> Status {
    end = TRY(created.directory.load_result());
    return {};
  }));
  if (!end) return code;  // a delete was quicker
  report_end(runtime, *end);
  if (!end->problem.empty())
    return internal("container.end", "the container's end left a problem: " + end->problem,
                    "see the audit log");
  return code;
}

}  // namespace

Result<int> run_command(run::Runtime& runtime, const Args& args) {
  if (args.has("--job")) runtime.settings.job = args.value("--job");
  if (args.has("--progress")) runtime.progress = run::Progress(true);
  const run::CreateRequest request = TRY(create_request(args));
  run::Created created = TRY(run::create(runtime, request));
  if (args.has("--detach")) {
    TRY(run::start(runtime, created.directory, created.warden));
    return 0;
  }
  SignalRelay relay;
  const Status started = run::start(runtime, created.directory, created.warden);
  const int code = relay.wait(created.pid);
  const Result<int> finished = finish(runtime, created, code);
  if (!started) return std::unexpected(started.error());
  return finished;
}

}  // namespace casemate::cli
