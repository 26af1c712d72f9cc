#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/prctl.h>

#include "shim/apply/attach.h"
#include "shim/apply/steps.h"

namespace casemate::apply {

// Through init's own verified procfs: a path would lead wherever the image put /proc
// (CVE-2019-16884, CVE-2025-52881).
Status apply(InitContext& context, const plan::SetLabel& step) {
  TRY(context.proc->write("thread-self/attr/exec", step.process_label));
  return context.proc->write("thread-self/attr/keycreate", step.process_label);
}

// A kernel without keyrings has nothing to separate.
Status apply(InitContext& context, const plan::NewKeyring& step) {
  const Status made = context.kernel.new_session_keyring(step.name);
  if (made || is_errno(made.error(), ENOSYS)) return {};
  return made;
}

Status apply(InitContext& context, const plan::NoNewPrivileges&) {
  return context.kernel.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

// Capabilities survive the change of user until SetCapabilities: the seccomp filter and the
// bounding set need them.
Status apply(InitContext& context, const plan::SetCredentials& step) {
  sys::Kernel& kernel = context.kernel;
  context.before = TRY(read_status(*context.proc, "self"));
  const std::uint64_t permitted = context.before.cap_permitted;
  TRY(kernel.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0));
  const auto& groups = step.user.additional_gids;
  TRY(kernel.setgroups(std::vector<gid_t>(groups.begin(), groups.end())));
  TRY(kernel.setresgid(step.user.gid));
  TRY(kernel.setresuid(step.user.uid));
  TRY(kernel.prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0));
  TRY(kernel.capset({.effective = permitted, .permitted = permitted}));
  TRY(kernel.umask(step.user.umask.value_or(plan::kDefaultUmask)));
  return {};
}

// The bounding set first: dropping from it needs CAP_SETPCAP.
Status apply(InitContext& context, const plan::SetCapabilities& step) {
  sys::Kernel& kernel = context.kernel;
  for (unsigned long bit = 0; bit < 64; ++bit) {
    const bool held = (context.before.cap_bounding >> bit & 1) != 0;
    if (held && (step.bounding >> bit & 1) == 0) TRY(kernel.prctl(PR_CAPBSET_DROP, bit, 0, 0, 0));
  }
  // What the machine itself does not have cannot be given; everything else must be exact.
  const std::uint64_t available = context.before.cap_permitted;
  TRY(kernel.capset({.effective = step.effective & available,
                     .permitted = step.permitted & available,
                     .inheritable = step.inheritable & available}));
  TRY(kernel.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
  for (unsigned long bit = 0; bit < 64; ++bit)
    if ((step.ambient & available) >> bit & 1)
      TRY(kernel.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, bit, 0, 0));
  return {};
}

}  // namespace casemate::apply
