// HostFacts: what the machine is, as plain data, so that decisions and plans stay pure.
#pragma once

#include <string>
#include <vector>

namespace casemate::policy {

enum class CgroupMode { none, v1, hybrid, v2 };

struct NvidiaGpu {
  std::string uuid;  // "GPU-…"; may be empty when the driver does not tell
  int minor = -1;    // of /dev/nvidiaN
};

struct HostFacts {
  int kernel_major = 0;
  int kernel_minor = 0;
  CgroupMode cgroup = CgroupMode::none;
  bool selinux = false;       // enabled in this kernel (enforcing or permissive)
  bool tmpfs_noswap = false;  // tmpfs knows the option noswap (Linux 6.4)
  bool swap_active = false;
  bool dumps_after_setuid = false;  // fs.suid_dumpable is 1: a change of ids makes traceable
  bool init_on_free = false;
  bool memfd_secret = false;
  // personality(2) of the caller, which its children have too: 0 but under setarch(8) and its like.
  unsigned long personality = 0;
  std::vector<NvidiaGpu> gpus;
};

}  // namespace casemate::policy
