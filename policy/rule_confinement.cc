// Rules about the root, masked and read-only paths, seccomp and SELinux labels.
#include "policy/match.h"
#include "policy/rules.h"

namespace casemate::policy {
namespace {

void add_floor(Judgement& j, std::vector<std::string>& paths, const std::vector<std::string>& floor,
               const std::string& rule, const std::string& pointer) {
  std::vector<std::string> missing;
  for (const auto& path : floor)
    if (!contains(paths, path)) missing.push_back(path);
  if (missing.empty()) return;
  paths.insert(paths.end(), missing.begin(), missing.end());
  j.tighten(rule, pointer, "without " + joined(missing), "the floor of the profile", "");
}

void judge_label(Judgement& j, const std::string& label, const std::string& pointer) {
  if (label.empty()) return;
  if (!contains(j.profile.selinux.types, selinux_type(label)))
    j.deny("selinux.type", pointer, "label " + label, joined(j.profile.selinux.types),
           "use a label of the container's types");
  else if (!j.host.selinux)
    j.deny("selinux.host", pointer, "label " + label, "labels where the kernel has SELinux",
           "enable SELinux on the host, or run without a label");
}

}  // namespace

// A mask over a verified file would replace what was signed.
void judge_extra_masks(Judgement& j) {
  if (j.profile.image.level == ImageLevel::none) return;
  for (const std::string& path : j.spec.linux.masked_paths) {
    const bool kernel_file = path_within("/proc", path) || path_within("/sys", path);
    if (kernel_file || contains(j.profile.masked_paths, path)) continue;
    j.deny("paths.masked", "/linux/maskedPaths", "mask over " + path,
           "masks below /proc and /sys only", "take the path out of maskedPaths");
  }
}

void judge_paths(Judgement& j) {
  auto& section = j.spec.linux;
  judge_extra_masks(j);
  add_floor(j, section.masked_paths, j.profile.masked_paths, "paths.masked", "/linux/maskedPaths");
  add_floor(j, section.readonly_paths, j.profile.readonly_paths, "paths.readonly",
            "/linux/readonlyPaths");
  if (!j.profile.rootfs.readonly || j.spec.root.readonly) return;
  j.spec.root.readonly = true;
  j.tighten("rootfs.readonly", "/root/readonly", "a writable root", "a read-only root", "");
}

namespace {

// A call that is answered without being made: an "open" that returns 0 hands the verified program
// its standard input, which is the caller's, as the file that it asked for.
bool pretends(const std::string& action, const std::optional<std::uint32_t>& errno_ret) {
  return action == "SCMP_ACT_TRACE" || action == "SCMP_ACT_TRAP" ||
         (action == "SCMP_ACT_ERRNO" && errno_ret == 0U);
}

void judge_answers(Judgement& j, const oci::Seccomp& filter) {
  const auto refuse = [&](const std::string& pointer, const std::string& what) {
    j.deny("seccomp.answers", pointer, what, "calls that are made or fail",
           "let the filter of a verified program allow, refuse with an error, or kill");
  };
  if (pretends(filter.default_action, filter.default_errno_ret))
    refuse("/linux/seccomp/defaultAction", filter.default_action + " by default");
  for (std::size_t i = 0; i < filter.syscalls.size(); ++i) {
    const oci::SeccompRule& rule = filter.syscalls[i];
    if (pretends(rule.action, rule.errno_ret))
      refuse("/linux/seccomp/syscalls/" + std::to_string(i),
             rule.action + " for " + (rule.names.empty() ? "" : rule.names.front()));
  }
}

}  // namespace

void judge_seccomp(Judgement& j) {
  const auto& filter = j.spec.linux.seccomp;
  if (filter && j.profile.image.level != ImageLevel::none) judge_answers(j, *filter);
  if (!j.profile.seccomp.require_own || filter) return;
  j.deny("seccomp.required", "/linux/seccomp", "no seccomp filter",
         "a filter of the container's own", "run without seccomp=unconfined");
}

void judge_mount_labels(Judgement& j) {
  judge_label(j, j.spec.linux.mount_label, "/linux/mountLabel");
}

void judge_process_label(Judgement& j) {
  const auto& label = j.spec.process->selinux_label;
  const std::string pointer = j.process_pointer + "/selinuxLabel";
  judge_label(j, label, pointer);
  if (j.profile.selinux.require && label.empty())
    j.deny("selinux.required", pointer, "no SELinux label", "a label of the container's types",
           "have the engine label the container");
}

}  // namespace casemate::policy
