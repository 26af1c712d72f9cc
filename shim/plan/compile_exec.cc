#include "shim/plan/compile_exec.h"

#include "shim/plan/compile_process.h"

namespace casemate::plan {
namespace {

// The name of a namespace's link below /proc/PID/ns (namespaces(7)).
std::string link_name(oci::NamespaceType type) {
  if (type == oci::NamespaceType::network) return "net";
  if (type == oci::NamespaceType::mount) return "mnt";
  return std::string(oci::to_string(type));
}

// Those of the container that are not the host's, to be joined as they are now.
Namespaces joined(const Plan& stored, const ExecInputs& inputs) {
  Namespaces out;
  if (const auto* step = stored.find<Namespaces>())
    for (const oci::Namespace& one : step->all)
      out.all.push_back({one.type, inputs.namespaces + link_name(one.type)});
  return out;
}

// On what memory, and as what, is the container's; on which processors, exec's alone.
void add_places(Plan& plan, const oci::Process& process, const Plan& stored,
                const std::string& personality) {
  if (const auto* memory = stored.find<SetMemoryPolicy>()) plan.steps.emplace_back(*memory);
  if (!personality.empty()) plan.steps.emplace_back(SetPersonality{personality});
  if (!process.exec_cpu_affinity) return;
  const oci::ExecCpuAffinity& affinity = *process.exec_cpu_affinity;
  if (!affinity.initial.empty()) plan.steps.emplace_back(InitialCpuAffinity{affinity.initial});
  if (!affinity.final.empty()) plan.steps.emplace_back(SetCpuAffinity{affinity.final});
}

}  // namespace

Plan ExecPlan::whole() const {
  Plan all = before_user;
  all.steps.insert(all.steps.end(), process.steps.begin(), process.steps.end());
  return all;
}

// The order is compile()'s; see there.
Result<ExecPlan> compile_exec(const oci::Process& process, const Plan& stored,
                              const ExecInputs& inputs) {
  ExecPlan plan;
  plan.before_user.steps.emplace_back(joined(stored, inputs));
  if (const auto* maps = stored.find<IdMaps>()) plan.before_user.steps.emplace_back(*maps);
  add_places(plan.before_user, process, stored, inputs.personality);
  TRY(add_limits(plan.before_user, process, inputs.selinux_enabled));

  auto& steps = plan.process.steps;
  if (process.terminal) steps.emplace_back(AttachConsole{process.console_size, /*bind=*/false});
  steps.emplace_back(NewKeyring{"_ses." + inputs.id});
  steps.emplace_back(SetWorkingDirectory{process.cwd, /*make=*/false});
  steps.emplace_back(SetCredentials{process.user});
  steps.emplace_back(ResolveProgram{process.args[0], search_path(process.env)});
  if (process.no_new_privileges) steps.emplace_back(NoNewPrivileges{});
  for (const Step& step : stored.steps)
    if (std::holds_alternative<LoadSeccomp>(step)) steps.push_back(step);
  steps.emplace_back(TRY(compile_capabilities(process.capabilities)));
  steps.emplace_back(Execute{process.args, process.env});
  return plan;
}

}  // namespace casemate::plan
