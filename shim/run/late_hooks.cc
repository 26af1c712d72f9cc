#include "shim/run/late_hooks.h"

#include "shim/apply/hooks.h"
#include "shim/oci/spec.h"
#include "shim/run/container.h"
#include "shim/run/hook_digest.h"

namespace casemate::run {
namespace {

// The plan holds where the program's path led when the policy judged it. A path that leads
// elsewhere by now is another program.
Status run_one(Runtime& runtime, const Json& stored, const std::string& state) {
  const oci::Hook hook = TRY(oci::parse_hook(TRY(JsonObject::of(stored))));
  apply::HostPaths paths(runtime.kernel);
  TRY(paths.open(hook.path));
  const auto resolved = paths.resolved();
  if (const auto now = resolved.find(hook.path); now != resolved.end() && now->second != hook.path)
    return denied(
        "hooks.moved",
        "hook " + hook.path + " leads to " + now->second + " since the container was made",
        "name hook programs by paths that nobody else can change", "/hooks");
  TRY(check_hook_digest(runtime, hook, paths));
  return apply::run_hooks(runtime.kernel, {hook}, paths, state);
}

void warn_of(Runtime& runtime, const std::string& id, const Error& error) {
  warn(error.message());
  const Status written = audit(runtime, "hook.failed", id, error_facts(error));
  if (!written) warn(written.error().message());
}

void run_step(Runtime& runtime, const Json& step, const Json& state) {
  const std::string id = state.value("id", "");
  const auto hooks = step.find("hooks");
  if (hooks == step.end()) return;
  for (const Json& stored : *hooks) {
    const Status ran = run_one(runtime, stored, dump(state));
    if (!ran) warn_of(runtime, id, ran.error());
  }
}

}  // namespace

void run_late_hooks(Runtime& runtime, std::string_view phase, const Json& plan, const Json& state) {
  const auto steps = plan.find("steps");
  if (steps == plan.end()) return;
  for (const Json& step : *steps)
    if (text_at(step, "step") == "hooks" && text_at(step, "phase") == phase)
      run_step(runtime, step, state);
}

Json later_hooks(const plan::Plan& plan) {
  Json phases = Json::array();
  for (const plan::Step& step : plan.steps) {
    const auto* hooks = std::get_if<plan::RunHooks>(&step);
    if (hooks != nullptr && plan::executor_of(step) == plan::Executor::later)
      phases.push_back(hooks->phase);
  }
  return phases;
}

}  // namespace casemate::run
