#include "shim/run/host_facts.h"

#include <fcntl.h>
#include <selinux/selinux.h>
#include <sys/personality.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "shim/fs/host_file.h"

namespace casemate::run {
namespace {

constexpr std::size_t kMaxText = 1 << 16;

policy::CgroupMode cgroup_mode(const std::vector<cgroup::Hierarchy>& hierarchies) {
  if (hierarchies.empty()) return policy::CgroupMode::none;
  const auto v2 = std::count_if(hierarchies.begin(), hierarchies.end(),
                                [](const cgroup::Hierarchy& one) { return one.v2; });
  if (v2 == 0) return policy::CgroupMode::v1;
  return hierarchies.size() == 1 ? policy::CgroupMode::v2 : policy::CgroupMode::hybrid;
}

// /proc/swaps has a header line and one line for each active swap.
bool swap_active(sys::Kernel& kernel) {
  const auto text = fs::read_file(kernel, "/proc/swaps", kMaxText);
  return !text || std::count(text->begin(), text->end(), '\n') > 1;
}

// What cannot be read counts as the worse.
bool dumps_after_setuid(sys::Kernel& kernel) {
  const auto text = fs::read_file(kernel, "/proc/sys/fs/suid_dumpable", kMaxText);
  return !text || (*text != "0\n" && *text != "2\n");
}

// init_on_free is a boot parameter; CONFIG_INIT_ON_FREE_DEFAULT_ON cannot be seen from here and
// counts as off.
bool init_on_free(sys::Kernel& kernel) {
  const auto text = fs::read_file(kernel, "/proc/cmdline", kMaxText);
  return text && (" " + *text).find(" init_on_free=1") != std::string::npos;
}

bool has_memfd_secret() {
  const UniqueFd fd(static_cast<int>(::syscall(SYS_memfd_secret, O_CLOEXEC)));
  return static_cast<bool>(fd);
}

}  // namespace

Result<policy::HostFacts> read_host_facts(sys::Kernel& kernel,
                                          const std::vector<cgroup::Hierarchy>& hierarchies) {
  utsname name{};
  if (::uname(&name) != 0) return sys_error("uname");
  policy::HostFacts facts;
  if (std::sscanf(name.release, "%d.%d", &facts.kernel_major, &facts.kernel_minor) != 2)
    return internal("host.kernel", std::string("unreadable kernel release ") + name.release);
  facts.cgroup = cgroup_mode(hierarchies);
  facts.selinux = ::is_selinux_enabled() == 1;
  facts.tmpfs_noswap =
      facts.kernel_major > 6 || (facts.kernel_major == 6 && facts.kernel_minor >= 4);
  facts.swap_active = swap_active(kernel);
  facts.dumps_after_setuid = dumps_after_setuid(kernel);
  facts.init_on_free = init_on_free(kernel);
  facts.memfd_secret = has_memfd_secret();
  constexpr unsigned long kAsk = 0xffffffff;
  facts.personality = static_cast<unsigned long>(::personality(kAsk)) & kAsk;
  return facts;
}

Result<std::string> canonical_label(const std::string& label, const std::string& pointer) {
  if (label.empty() || ::is_selinux_enabled() != 1) return label;
  char* canonical = nullptr;
  if (::security_canonicalize_context_raw(label.c_str(), &canonical) == 0) {
    std::string out = canonical;
    ::freecon(canonical);
    return out;
  }
  if (errno != EINVAL) return sys_error("ask SELinux about label " + label);
  return bad_input("selinux.label", "the SELinux policy of this host does not know label " + label,
                   "use a user, role, type and level of the policy that is loaded", pointer);
}

}  // namespace casemate::run
