// What the container was given bounds every further program in it.
#include <algorithm>

#include "policy/match.h"
#include "policy/rules.h"

namespace casemate::policy {
namespace {

using Names = std::vector<std::string>;

// Removes what is not in `allowed`; the removed names are added to `removed`, each once.
void keep_only(Names& set, const Names& allowed, Names& removed) {
  for (const auto& name : set)
    if (!contains(allowed, name) && !contains(removed, name)) removed.push_back(name);
  std::erase_if(set, [&](const auto& name) { return !contains(allowed, name); });
}

// As with the profile's own ceiling: dropped or refused. Engines repeat for exec what they asked
// for the container, so what was dropped there comes again here.
void bound_capabilities(Judgement& j, const oci::Process& container) {
  auto& asked = j.spec.process->capabilities;
  if (!asked) return;
  const Names ceiling = container.capabilities ? container.capabilities->bounding : Names();
  oci::Capabilities bounded = *asked;
  Names beyond;
  for (auto* set : {&bounded.bounding, &bounded.effective, &bounded.permitted, &bounded.inheritable,
                    &bounded.ambient})
    keep_only(*set, ceiling, beyond);
  // Those that no container gets are refused by name, with the reason; see judge_capabilities.
  std::erase_if(beyond,
                [&](const auto& name) { return contains(j.profile.capabilities.refuse, name); });
  if (beyond.empty()) return;
  const std::string pointer = j.process_pointer + "/capabilities";
  if (j.profile.capabilities.beyond == Beyond::deny)
    return j.deny("exec.capabilities", pointer, joined(beyond), joined(ceiling),
                  "drop the capabilities that the container itself does not have");
  for (auto* set : {&asked->bounding, &asked->effective, &asked->permitted, &asked->inheritable,
                    &asked->ambient})
    std::erase_if(*set, [&](const auto& name) { return contains(beyond, name); });
  j.tighten("exec.capabilities", pointer, joined(beyond), "those of the container", "");
}

void bound_label(Judgement& j, const oci::Process& container) {
  auto& label = j.spec.process->selinux_label;
  if (container.selinux_label.empty() || label == container.selinux_label) return;
  const std::string pointer = j.process_pointer + "/selinuxLabel";
  if (!label.empty())
    return j.deny("exec.label", pointer, "label " + label, container.selinux_label,
                  "run with the container's own label");
  label = container.selinux_label;
  j.tighten("exec.label", pointer, "no label", label, "");
}

void bound_limit(Judgement& j, const oci::Rlimit& own) {
  auto& limits = j.spec.process->rlimits;
  const auto asked = std::ranges::find(limits, own.type, &oci::Rlimit::type);
  if (asked == limits.end()) return limits.push_back(own);
  if (asked->hard <= own.hard) return;
  j.tighten("exec.rlimits", j.process_pointer + "/rlimits",
            own.type + " " + std::to_string(asked->hard), std::to_string(own.hard), "");
  asked->hard = own.hard;
  asked->soft = std::min(asked->soft, own.hard);
}

}  // namespace

void judge_container(Judgement& j, const oci::Process& container) {
  auto& process = *j.spec.process;
  if (container.no_new_privileges && !process.no_new_privileges) {
    process.no_new_privileges = true;
    j.tighten("exec.no-new-privileges", j.process_pointer + "/noNewPrivileges", "false", "true",
              "");
  }
  if (!process.oom_score_adj) process.oom_score_adj = container.oom_score_adj;
  if (!process.scheduler) process.scheduler = container.scheduler;
  if (!process.io_priority) process.io_priority = container.io_priority;
  if (!process.exec_cpu_affinity) process.exec_cpu_affinity = container.exec_cpu_affinity;
  bound_capabilities(j, container);
  bound_label(j, container);
  for (const oci::Rlimit& own : container.rlimits) bound_limit(j, own);
}

}  // namespace casemate::policy
