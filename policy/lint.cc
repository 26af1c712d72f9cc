#include "policy/lint.h"

#include <algorithm>

#include "policy/match.h"
#include "policy/seccomp_bound.h"

namespace casemate::policy {
namespace {

constexpr std::string_view kCapabilities[] = {
    "CAP_AUDIT_CONTROL",   "CAP_AUDIT_READ",   "CAP_AUDIT_WRITE",
    "CAP_BLOCK_SUSPEND",   "CAP_BPF",          "CAP_CHECKPOINT_RESTORE",
    "CAP_CHOWN",           "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",          "CAP_FSETID",       "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",       "CAP_KILL",         "CAP_LEASE",
    "CAP_LINUX_IMMUTABLE", "CAP_MAC_ADMIN",    "CAP_MAC_OVERRIDE",
    "CAP_MKNOD",           "CAP_NET_ADMIN",    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",   "CAP_NET_RAW",      "CAP_PERFMON",
    "CAP_SETFCAP",         "CAP_SETGID",       "CAP_SETPCAP",
    "CAP_SETUID",          "CAP_SYSLOG",       "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",        "CAP_SYS_CHROOT",   "CAP_SYS_MODULE",
    "CAP_SYS_NICE",        "CAP_SYS_PACCT",    "CAP_SYS_PTRACE",
    "CAP_SYS_RAWIO",       "CAP_SYS_RESOURCE", "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",  "CAP_WAKE_ALARM"};

// Each of these is a way to the host by itself.
constexpr std::string_view kDangerous[] = {
    "CAP_SYS_ADMIN",       "CAP_SYS_MODULE",        "CAP_SYS_RAWIO", "CAP_SYS_PTRACE",
    "CAP_DAC_READ_SEARCH", "CAP_SYS_BOOT",          "CAP_BPF",       "CAP_PERFMON",
    "CAP_MAC_ADMIN",       "CAP_MAC_OVERRIDE",      "CAP_SYSLOG",    "CAP_SYS_TIME",
    "CAP_NET_ADMIN",       "CAP_CHECKPOINT_RESTORE"};

constexpr std::string_view kDangerousCalls[] = {
    "bpf",          "perf_event_open", "kexec_load",        "kexec_file_load", "init_module",
    "finit_module", "delete_module",   "open_by_handle_at", "userfaultfd",     "keyctl",
    "add_key",      "request_key",     "io_uring_setup",    "io_uring_enter",  "io_uring_register"};

constexpr std::string_view kFamilies[] = {"AF_ALG", "AF_VSOCK", "AF_PACKET"};
constexpr std::string_view kMasked[] = {"/proc/kcore", "/proc/keys", "/sys/firmware"};
constexpr std::string_view kPrivateSources[] = {
    "/proc", "/sys", "/dev", "/etc/shadow", "/var/lib/casemate", "/run/casemate"};
constexpr std::string_view kLoaders[] = {"LD_PRELOAD", "LD_AUDIT", "GCONV_PATH", "BASH_ENV"};

using Findings = std::vector<LintFinding>;

void add(Findings& out, std::string id, LintLevel level, std::string pointer, std::string text) {
  out.push_back({std::move(id), level, std::move(pointer), std::move(text)});
}

void lint_unsafe(const Profile& p, Findings& out) {
  for (const auto& field : unsafe_fields(p))
    add(out, "P020", LintLevel::note, field,
        "weakens the profile; receipts record it. Remove it when it is no longer needed");
  if (p.mode == Mode::complain)
    add(out, "P021", LintLevel::note, "/mode",
        "complain mode denies nothing; receipts are tainted");
}

void lint_capabilities(const Profile& p, Findings& out) {
  for (const auto* list : {&p.capabilities.ceiling, &p.capabilities.refuse})
    for (const auto& name : *list)
      if (std::ranges::find(kCapabilities, name) == std::end(kCapabilities))
        add(out, "P011", LintLevel::error, "/capabilities", "unknown capability " + name);
  for (const auto& name : p.capabilities.ceiling)
    if (std::ranges::find(kDangerous, name) != std::end(kDangerous))
      add(out, "P030", LintLevel::warning, "/capabilities/ceiling",
          name + " opens a way to the host; remove it");
}

void lint_seccomp(const Profile& p, Findings& out) {
  const auto& rules = p.seccomp;
  for (const auto* list : {&rules.deny, &rules.hide})
    for (const auto& name : *list)
      if (!is_known_syscall(name))
        add(out, "P010", LintLevel::error, "/seccomp",
            "unknown system call " + name + ": it would deny nothing; correct its spelling");
  for (const auto name : kDangerousCalls)
    if (!contains(rules.deny, name) && !contains(rules.hide, name))
      add(out, "P060", LintLevel::warning, "/seccomp/deny",
          "does not deny " + std::string(name) + "; add it");
  for (const auto family : kFamilies)
    if (!contains(rules.socket_families, family))
      add(out, "P061", LintLevel::warning, "/seccomp/socket_families",
          "does not block " + std::string(family) + "; add it");
  if (!rules.block_terminal_injection)
    add(out, "P062", LintLevel::warning, "/seccomp/block_terminal_injection",
        "a job may type into its terminal's other end; set it to true");
  if (!rules.block_user_namespaces)
    add(out, "P063", LintLevel::warning, "/seccomp/block_user_namespaces",
        "new user namespaces open much of the kernel to a job; set it to true");
}

bool forbids(const Profile& p, std::string_view source) {
  return std::ranges::any_of(p.mounts.forbidden_sources,
                             [&](const auto& folder) { return path_within(folder, source); });
}

void lint_mounts(const Profile& p, Findings& out) {
  for (std::size_t i = 0; i < p.mounts.rules.size(); ++i) {
    const auto& rule = p.mounts.rules[i];
    const std::string pointer = "/mounts/rules/" + std::to_string(i);
    if (rule.type != "bind") continue;
    for (const auto source : kPrivateSources)
      if (path_matches(rule.source, source) && !forbids(p, source))
        add(out, "P040", LintLevel::warning, pointer + "/source",
            "reaches " + std::string(source) + "; narrow it, or add that to forbidden_sources");
    if (p.dataset.allowed && rule.unsafe_write)
      add(out, "P041", LintLevel::warning, pointer + "/unsafe_write",
          "a job with a dataset may write plaintext to the host; remove it");
  }
}

void lint_sandbox(const Profile& p, Findings& out) {
  for (const auto type : {oci::NamespaceType::pid, oci::NamespaceType::ipc, oci::NamespaceType::uts,
                          oci::NamespaceType::mount})
    if (std::ranges::find(p.namespaces.required, type) == p.namespaces.required.end())
      add(out, "P050", LintLevel::warning, "/namespaces/required",
          "the host's " + std::string(to_string(type)) + " namespace is allowed; add it");
  if (std::ranges::find(p.namespaces.join, oci::NamespaceType::mount) != p.namespaces.join.end())
    add(out, "P051", LintLevel::error, "/namespaces/join",
        "no container can join a mount namespace; remove it");
  for (const auto path : kMasked)
    if (!contains(p.masked_paths, path))
      add(out, "P070", LintLevel::warning, "/masked_paths",
          "does not mask " + std::string(path) + "; add it");
  if (!contains(p.readonly_paths, "/proc/sys"))
    add(out, "P071", LintLevel::warning, "/readonly_paths", "leaves /proc/sys writable; add it");
  for (const auto& pattern : p.sysctls.allowed)
    if (!pattern.starts_with("net.") && !pattern.starts_with("kernel.sem") &&
        !pattern.starts_with("kernel.shm") && !pattern.starts_with("kernel.msg") &&
        !pattern.starts_with("fs.mqueue."))
      add(out, "P012", LintLevel::warning, "/sysctls/allowed",
          pattern + " reaches sysctls of the host, which are refused anyway; narrow it");
}

void lint_job(const Profile& p, Findings& out) {
  if (p.process.args_from == ArgsFrom::image_or_job && p.image.level == ImageLevel::none)
    add(out, "P080", LintLevel::warning, "/image/level",
        "args come from an image that nobody verifies; set level to chain or content");
  if (p.dataset.allowed && p.process.args_from == ArgsFrom::any)
    add(out, "P081", LintLevel::error, "/process/args_from",
        "any program may read the dataset; set args_from to image-or-job");
  if (p.dataset.allowed && p.exec.allowed)
    add(out, "P082", LintLevel::warning, "/exec/allowed",
        "exec lets the host's users read the dataset; set it to false");
  if (p.dataset.allowed && (p.dataset.max_bytes == 0 || p.dataset.targets.empty()))
    add(out, "P083", LintLevel::error, "/dataset", "allows datasets, but no bytes or no target");
  if (p.dataset.allowed && !p.rootfs.tmpfs_upper && !p.rootfs.readonly)
    add(out, "P084", LintLevel::warning, "/rootfs/tmpfs_upper",
        "plaintext that the job writes stays on disk; set it to true");
  if (p.image.level != ImageLevel::none && p.image.signers.empty())
    add(out, "P085", LintLevel::error, "/image/signers", "no signer is accepted: nothing can run");
  const bool job = p.process.args_from == ArgsFrom::image_or_job;
  for (const auto name : kLoaders)
    if (job && !name_matches_any(p.env.denied, name))
      add(out, "P110", LintLevel::warning, "/env/denied",
          "lets " + std::string(name) + " through, which steers loaders; add it");
}

}  // namespace

std::string_view to_string(LintLevel level) {
  switch (level) {
    case LintLevel::note:
      return "note";
    case LintLevel::warning:
      return "warning";
    case LintLevel::error:
      return "error";
  }
  return "?";
}

std::vector<LintFinding> lint(const Profile& profile) {
  Findings out;
  lint_unsafe(profile, out);
  lint_capabilities(profile, out);
  lint_seccomp(profile, out);
  lint_mounts(profile, out);
  lint_sandbox(profile, out);
  lint_job(profile, out);
  return out;
}

}  // namespace casemate::policy
