#include "shim/plan/compile_process.h"

#include "shim/plan/names.h"

namespace casemate::plan {

Result<SetCapabilities> compile_capabilities(const std::optional<oci::Capabilities>& asked) {
  SetCapabilities step;
  if (!asked) return step;
  const std::string at = "/process/capabilities/";
  step.bounding = TRY(capability_bits(asked->bounding, at + "bounding"));
  step.effective = TRY(capability_bits(asked->effective, at + "effective"));
  step.inheritable = TRY(capability_bits(asked->inheritable, at + "inheritable"));
  step.permitted = TRY(capability_bits(asked->permitted, at + "permitted"));
  step.ambient = TRY(capability_bits(asked->ambient, at + "ambient"));
  if ((step.effective & ~step.permitted) != 0)
    return bad_input("oci.capability-sets", "effective capabilities must be permitted ones",
                     "list them in \"permitted\" too", at + "effective");
  if ((step.ambient & ~(step.permitted & step.inheritable)) != 0)
    return bad_input("oci.capability-sets",
                     "ambient capabilities must be permitted and inheritable ones",
                     "list them in both sets", at + "ambient");
  return step;
}

std::string search_path(const std::vector<std::string>& env) {
  for (const std::string& variable : env)
    if (variable.starts_with("PATH=")) return variable.substr(5);
  return "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
}

Status need_selinux(bool enabled, const std::string& label, const std::string& pointer) {
  if (enabled) return {};
  return unsupported(
      "selinux.disabled",
      "label \"" + printable(label) + "\" was asked for and this kernel has SELinux off",
      "boot with security=selinux, or remove the label", pointer);
}

Status add_limits(Plan& plan, const oci::Process& process, bool selinux_enabled) {
  if (process.oom_score_adj) plan.steps.emplace_back(SetOomScore{*process.oom_score_adj});
  for (const oci::Rlimit& limit : process.rlimits) {
    TRY(rlimit_number(limit.type));
    plan.steps.emplace_back(SetRlimit{limit});
  }
  if (process.scheduler) plan.steps.emplace_back(SetScheduler{*process.scheduler});
  if (process.io_priority) plan.steps.emplace_back(SetIoPriority{*process.io_priority});
  if (!process.selinux_label.empty()) {
    TRY(need_selinux(selinux_enabled, process.selinux_label, "/process/selinuxLabel"));
    plan.steps.emplace_back(SetLabel{process.selinux_label});
  }
  return {};
}

}  // namespace casemate::plan
