#include "policy/decide.h"

#include <algorithm>

#include "policy/rules.h"
#include "policy/seccomp_bound.h"

namespace casemate::policy {
namespace {

using Group = void (*)(Judgement&);

// In the order in which a reader should see the findings: the broadest reason first.
constexpr Group kRequest[] = {judge_privileged,   judge_host,        judge_dumps,  judge_job,
                              judge_namespaces,   judge_hooks,       judge_mounts, judge_devices,
                              judge_sysctls,      judge_resources,   judge_paths,  judge_seccomp,
                              judge_mount_labels, judge_personality, judge_notify};
constexpr Group kProcess[] = {judge_user, judge_capabilities,  judge_process,   judge_rlimits,
                              judge_env,  judge_process_label, judge_scheduling};

void judge_processes(Judgement& j) {
  if (!j.spec.process) return;
  for (const Group group : kProcess) group(j);
}

Decision begin(const Profile& profile, const oci::Spec& spec) {
  Decision decision;
  decision.profile = profile.name;
  decision.unsafe = unsafe_fields(profile);
  decision.spec = spec;
  decision.seccomp = seccomp_bound(profile.seccomp);
  return decision;
}

void conclude(const Profile& profile, Decision& decision) {
  const bool refused = std::ranges::any_of(
      decision.findings, [](const Finding& f) { return f.outcome == Outcome::deny; });
  decision.denied = refused && profile.mode == Mode::enforce;
  decision.tainted = refused && profile.mode == Mode::complain;
}

}  // namespace

Decision decide(const oci::Spec& asked, const Profile& profile, const HostFacts& host,
                const JobContext& context) {
  Decision decision = begin(profile, asked);
  Judgement j{profile, host, context, decision, decision.spec};
  for (const Group group : kRequest) group(j);
  judge_origin(j);  // adds variables, which the rules about env then see
  judge_processes(j);
  conclude(profile, decision);
  return decision;
}

Decision decide_exec(const oci::Process& asked, const oci::Spec& spec, const Profile& profile,
                     const HostFacts& host, const JobContext& context) {
  Decision decision = begin(profile, spec);
  decision.spec.process = asked;
  Judgement j{profile, host, context, decision, decision.spec, ""};
  if (!profile.exec.allowed)
    j.deny("exec.allowed", "", "another program in the container", "none",
           "start what the job needs from its own program");
  if (spec.process) judge_container(j, *spec.process);
  judge_inherited_personality(j);
  judge_dumps(j);
  judge_processes(j);
  conclude(profile, decision);
  return decision;
}

Decision decide_update(const oci::Resources& asked, const Profile& profile, const HostFacts& host,
                       const JobContext& context) {
  oci::Spec spec;
  spec.linux.resources = asked;
  Decision decision = begin(profile, spec);
  Judgement j{profile, host, context, decision, decision.spec};
  if (!asked.devices.empty()) judge_devices(j);
  judge_resources(j);
  conclude(profile, decision);
  return decision;
}

void Judgement::keep(std::string rule, std::string pointer, std::string asked, std::string bound) {
  decision.findings.push_back(
      {std::move(rule), std::move(pointer), std::move(asked), std::move(bound), Outcome::keep, {}});
}

void Judgement::tighten(std::string rule, std::string pointer, std::string asked, std::string bound,
                        std::string hint) {
  decision.findings.push_back({std::move(rule), std::move(pointer), std::move(asked),
                               std::move(bound), Outcome::tighten, std::move(hint)});
}

void Judgement::deny(std::string rule, std::string pointer, std::string asked, std::string bound,
                     std::string hint) {
  decision.findings.push_back({std::move(rule), std::move(pointer), std::move(asked),
                               std::move(bound), Outcome::deny, std::move(hint)});
}

bool Judgement::holds_data() const {
  return context.holds_data || (context.job && !context.job->datasets.empty());
}

const std::string& Judgement::resolved(const std::string& path) const {
  const auto at = context.resolved.find(path);
  return at == context.resolved.end() ? path : at->second;
}

bool has_control_characters(std::string_view text) {
  return std::ranges::any_of(text, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

std::string_view selinux_type(std::string_view label) {
  for (int field = 0; field < 2; ++field) {
    const std::size_t colon = label.find(':');
    if (colon == std::string_view::npos) return {};
    label.remove_prefix(colon + 1);
  }
  return label.substr(0, label.find(':'));
}

}  // namespace casemate::policy
