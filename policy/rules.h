// The rule groups of decide(), one file each (rule_*.cc); not for callers. A group reads what is
// asked from `spec`, changes it where it tightens, and adds its findings. Deciding what a group has
// bounded finds nothing more to tighten.
#pragma once

#include <string>
#include <string_view>

#include "policy/decide.h"

namespace casemate::policy {

struct Judgement {
  const Profile& profile;
  const HostFacts& host;
  const JobContext& context;
  Decision& decision;
  oci::Spec& spec;                           // decision.spec
  std::string process_pointer = "/process";  // empty for exec, whose document is the process

  void keep(std::string rule, std::string pointer, std::string asked, std::string bound);
  void tighten(std::string rule, std::string pointer, std::string asked, std::string bound,
               std::string hint);
  void deny(std::string rule, std::string pointer, std::string asked, std::string bound,
            std::string hint);
  // A dataset lies, or will lie, in the container's memory in clear.
  bool holds_data() const;
  // Where a host path really leads, as the caller found out; the path itself when unknown.
  const std::string& resolved(const std::string& path) const;
};

// Of a request as a whole.
void judge_privileged(Judgement& j);
void judge_host(Judgement& j);
void judge_dumps(Judgement& j);
void judge_job(Judgement& j);
// Of the sandbox.
void judge_namespaces(Judgement& j);
void judge_mounts(Judgement& j);
void judge_devices(Judgement& j);
void judge_sysctls(Judgement& j);
void judge_resources(Judgement& j);
void judge_hooks(Judgement& j);
void judge_paths(Judgement& j);
void judge_seccomp(Judgement& j);
void judge_mount_labels(Judgement& j);
void judge_personality(Judgement& j);
void judge_inherited_personality(Judgement& j);  // of exec too
void judge_notify(Judgement& j);
// Of a process, of the container's or an exec's. Precondition: spec.process.
void judge_user(Judgement& j);
void judge_capabilities(Judgement& j);
void judge_process(Judgement& j);
void judge_env(Judgement& j);
void judge_rlimits(Judgement& j);
void judge_process_label(Judgement& j);
void judge_scheduling(Judgement& j);
// Of an exec's: no more than its container was given. Before the others, which then see the result.
void judge_container(Judgement& j, const oci::Process& container);
// args, env, cwd and user are those of the image or of the job. Not for exec.
void judge_origin(Judgement& j);

bool has_control_characters(std::string_view text);
// The type of an SELinux label "user:role:type:level"; empty when it has none.
std::string_view selinux_type(std::string_view label);

}  // namespace casemate::policy
