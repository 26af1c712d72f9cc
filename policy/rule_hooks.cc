// Rules about OCI hooks: programs of the host, run with the runtime's privileges.
#include <algorithm>

#include "policy/match.h"
#include "policy/rules.h"

namespace casemate::policy {
namespace {

// What a loader, a shell or libc obeys before main (CVE-2025-23266).
bool steers_loaders(std::string_view name) {
  static constexpr std::string_view kNames[] = {"GCONV_PATH", "BASH_ENV",    "ENV",
                                                "LOCPATH",    "GETCONF_DIR", "NLSPATH"};
  return name.starts_with("LD_") || std::ranges::find(kNames, name) != std::end(kNames);
}

bool judge_hook_env(Judgement& j, const oci::Hook& hook, const std::string& pointer) {
  for (const auto& entry : hook.env) {
    const std::string_view name = std::string_view(entry).substr(0, entry.find('='));
    const bool refused = steers_loaders(name) || name_matches_any(j.profile.env.denied, name) ||
                         has_control_characters(entry);
    if (!refused) continue;
    j.deny("hooks.env", pointer + "/env", "a hook with " + std::string(name), "harmless variables",
           "remove the variable from the hook");
    return false;
  }
  return true;
}

void judge_hook(Judgement& j, const oci::Hook& hook, const std::string& pointer) {
  if (!judge_hook_env(j, hook, pointer)) return;
  if (j.profile.hooks.allowed == HookSource::unsafe_any) return;
  const std::string& real = j.resolved(hook.path);
  if (j.profile.hooks.allowed == HookSource::none)
    return j.deny("hooks.none", pointer, "hook " + real, "no hooks",
                  "run the container without hooks, or take a profile that allows the host's list");
  const auto listed = [&](const HookProgram& program) { return program.path == real; };
  if (!std::ranges::any_of(j.context.hooks, listed))
    return j.deny("hooks.not-listed", pointer + "/path", "hook " + real, "the host's list",
                  "add the program to \"hooks\" in casemate.json if the host should run it");
  j.keep("hooks.listed", pointer + "/path", "hook " + real, "the host's list");
}

void judge_stage(Judgement& j, const std::vector<oci::Hook>& hooks, const std::string& stage) {
  for (std::size_t i = 0; i < hooks.size(); ++i)
    judge_hook(j, hooks[i], "/hooks/" + stage + "/" + std::to_string(i));
}

}  // namespace

void judge_hooks(Judgement& j) {
  const auto& hooks = j.spec.hooks;
  judge_stage(j, hooks.prestart, "prestart");
  judge_stage(j, hooks.create_runtime, "createRuntime");
  judge_stage(j, hooks.create_container, "createContainer");
  judge_stage(j, hooks.poststart, "poststart");
  judge_stage(j, hooks.poststop, "poststop");
  // Their path is one of the container: no list of the host says anything about it.
  if (!hooks.start_container.empty() && j.profile.hooks.allowed != HookSource::unsafe_any)
    j.deny("hooks.start-container", "/hooks/startContainer", "a hook inside the container", "none",
           "run it from the container's own program");
}

}  // namespace casemate::policy
