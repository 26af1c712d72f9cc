#include <cstdio>

#include "policy/decide.h"
#include "policy/explain.h"
#include "shim/apply/host_paths.h"
#include "shim/cgroup/hierarchy.h"
#include "shim/ctl/policy_commands.h"
#include "shim/ctl/policy_context.h"
#include "shim/ctl/policy_files.h"
#include "shim/fs/host_file.h"
#include "shim/run/bundle.h"
#include "shim/run/host_facts.h"
#include "shim/sys/real_kernel.h"

namespace casemate::ctl {
namespace {

Result<policy::Decision> decide_bundle(const ImageArgs& options, const policy::Profile& profile) {
  sys::RealKernel kernel;
  const std::string bundle = TRY(options.require("bundle"));
  const oci::Spec spec = TRY(run::load_spec(kernel, bundle));
  apply::HostPaths paths(kernel);
  TRY(run::open_host_paths(spec, paths));
  const auto host = TRY(run::read_host_facts(kernel, TRY(cgroup::read_hierarchies(kernel))));
  policy::JobContext context = TRY(assumed_context(kernel, options));
  context.resolved = paths.resolved();
  context.regular_files = paths.regular_files();
  return policy::decide(spec, profile, host, context);
}

}  // namespace

Status policy_check(std::span<const std::string_view> args) {
  const ImageSyntax syntax{.usage =
                               "policy check --bundle DIR --profile FILE "
                               "[--job FILE --layout DIR] [--config FILE] [--json]",
                           .with_value = {"bundle", "profile", "job", "layout", "config"},
                           .flags = {"json"},
                           .operands = 0};
  const auto options = TRY(parse_image_args(syntax, args));
  const policy::Profile profile = TRY(read_profile(TRY(options.require("profile"))));
  const auto decision = TRY(decide_bundle(options, profile));
  if (options.has("json"))
    std::fputs(dump_pretty(policy::to_json(decision)).c_str(), stdout);
  else
    std::fputs(policy::explain_text(decision).c_str(), stdout);
  if (!decision.denied) return {};
  return std::unexpected(policy::refusal(decision));
}

}  // namespace casemate::ctl
