#include "shim/cli/command.h"
#include "shim/cli/create_options.h"
#include "shim/cli/signal_relay.h"
#include "shim/run/create.h"
#include "shim/run/lifecycle.h"
#include "shim/run/notify.h"

namespace casemate::cli {
namespace {

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
  run::CreateRequest request = TRY(create_request(args));
  request.own_terminal = !args.has("--detach");
  run::Created created = TRY(run::create(runtime, request));
  if (args.has("--detach")) {
    TRY(run::start_until_ready(runtime, created.directory, created.warden));
    return 0;
  }
  SignalRelay relay;
  std::optional<Terminal> terminal;
  if (created.terminal) terminal.emplace(std::move(created.terminal));
  auto listening = run::NotifySocket::listen(runtime.kernel, created.directory.fd(),
                                             runtime.settings.notify_socket);
  if (!listening) static_cast<void>(run::remove(runtime, request.id, /*force=*/true));
  auto notify = TRY(std::move(listening));
  const Status started = run::start(runtime, created.directory, created.warden);
  const int code =
      relay.wait(created.pid, terminal ? &*terminal : nullptr, notify ? &*notify : nullptr);
  terminal.reset();
  notify.reset();
  const Result<int> finished = finish(runtime, created, code);
  if (!started) return std::unexpected(started.error());
  return finished;
}

}  // namespace casemate::cli
