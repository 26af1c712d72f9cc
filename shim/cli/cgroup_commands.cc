// The commands that work on a container through its control group, but update.
#include <cstdio>

#include "shim/cli/command.h"
#include "shim/run/events.h"
#include "shim/run/freeze.h"
#include "shim/run/processes.h"

namespace casemate::cli {
namespace {

// Whoever reads events reads lines as they come.
Status print_line(const Json& value) {
  const bool written =
      std::fputs((dump(value) + "\n").c_str(), stdout) >= 0 && std::fflush(stdout) == 0;
  return written ? Status() : sys_error("write to standard output");
}

}  // namespace

Result<int> ps_command(run::Runtime& runtime, const Args& args) {
  const auto& words = args.positional();
  const std::string format = args.value("--format", "table");
  if (format != "table" && format != "json")
    return bad_input("cli.option", "invalid format option " + printable(format),
                     "use table or json");
  const auto pids = TRY(run::processes(runtime, words[0]));
  if (format == "json") {
    TRY(print_line(Json(pids)));
    return 0;
  }
  const std::vector<std::string> options(words.begin() + 1, words.end());
  std::fputs(TRY(run::process_table(runtime.kernel, pids, options)).c_str(), stdout);
  return 0;
}

Result<int> pause_command(run::Runtime& runtime, const Args& args) {
  TRY(run::pause(runtime, args.positional()[0]));
  return 0;
}

Result<int> resume_command(run::Runtime& runtime, const Args& args) {
  TRY(run::resume(runtime, args.positional()[0]));
  return 0;
}

Result<int> events_command(run::Runtime& runtime, const Args& args) {
  const std::string& id = args.positional()[0];
  const auto interval = TRY(run::parse_interval(args.value("--interval", "5s")));
  if (args.has("--stats"))
    TRY(print_line(TRY(run::stats_event(runtime, id))));
  else
    TRY(run::watch_events(runtime, id, interval, print_line));
  return 0;
}

}  // namespace casemate::cli
