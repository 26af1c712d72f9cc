// The runtime's commands. Each has a file of its own and one row in the table of command.cc.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shim/args/args.h"
#include "shim/run/runtime.h"

namespace casemate::cli {

// The exit status, or the error that main reports.
using Handler = Result<int> (*)(run::Runtime& runtime, const Args& args);

struct Command {
  std::string_view name;
  std::string_view usage;  // arguments after the name
  std::string_view help;
  std::span<const OptionSpec> options;
  std::size_t least = 0;  // positional arguments
  std::size_t most = 0;
  Handler handler = nullptr;
};

std::span<const Command> commands();
// Those of `update` that name a limit.
std::span<const OptionSpec> update_options();
// unsupported "command.<name>" for what the OCI command line knows and this version does not serve.
Result<const Command*> find_command(std::string_view name);

Result<int> create_command(run::Runtime& runtime, const Args& args);
Result<int> start_command(run::Runtime& runtime, const Args& args);
Result<int> run_command(run::Runtime& runtime, const Args& args);
Result<int> state_command(run::Runtime& runtime, const Args& args);
Result<int> kill_command(run::Runtime& runtime, const Args& args);
Result<int> delete_command(run::Runtime& runtime, const Args& args);
Result<int> exec_command(run::Runtime& runtime, const Args& args);
Result<int> list_command(run::Runtime& runtime, const Args& args);
Result<int> ps_command(run::Runtime& runtime, const Args& args);
Result<int> pause_command(run::Runtime& runtime, const Args& args);
Result<int> resume_command(run::Runtime& runtime, const Args& args);
Result<int> update_command(run::Runtime& runtime, const Args& args);
Result<int> events_command(run::Runtime& runtime, const Args& args);
Result<int> spec_command(run::Runtime& runtime, const Args& args);
Result<int> features_command(run::Runtime& runtime, const Args& args);

}  // namespace casemate::cli
