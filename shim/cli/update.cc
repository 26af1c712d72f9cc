#include "shim/run/update.h"

#include "shim/cli/command.h"
#include "shim/run/limit_request.h"

namespace casemate::cli {
namespace {

// With a document of resources, the other options say nothing; so runc has it.
Result<oci::Resources> asked_for(run::Runtime& runtime, const Args& args) {
  if (args.has("--resources")) return run::read_resources(runtime, args.value("--resources"));
  oci::Resources asked;
  for (const OptionSpec& option : update_options())
    if (args.has(option.name)) TRY(run::set_limit(asked, option.name, args.value(option.name)));
  return asked;
}

}  // namespace

Result<int> update_command(run::Runtime& runtime, const Args& args) {
  for (const char* option : {"--l3-cache-schema", "--mem-bw-schema"})
    if (args.has(option)) {
      oci::Resources none;
      TRY(run::set_limit(none, option, args.value(option)));
    }
  const oci::Resources asked = TRY(asked_for(runtime, args));
  if (asked.memory.kernel.value_or(0) != 0 || asked.memory.kernel_tcp.value_or(0) != 0)
    run::warn("kernel memory settings are ignored");
  const policy::Decision decision = TRY(run::update(runtime, args.positional()[0], asked));
  for (const policy::Finding& finding : decision.findings) {
    if (finding.outcome == policy::Outcome::keep) continue;
    run::warn(std::string(policy::to_string(finding.outcome)) + " [" + finding.rule +
              "]: " + printable(finding.asked) + "; profile " + decision.profile + " has " +
              printable(finding.bound));
  }
  return 0;
}

}  // namespace casemate::cli
