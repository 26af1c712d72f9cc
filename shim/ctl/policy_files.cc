#include "shim/ctl/policy_files.h"

#include "shim/fs/host_file.h"
#include "shim/sys/real_kernel.h"

namespace casemate::ctl {

Result<policy::Profile> read_profile(const std::string& path) {
  constexpr std::size_t kMaxProfile = 1 << 20;
  sys::RealKernel kernel;
  return policy::parse_profile(TRY(fs::read_file(kernel, path, kMaxProfile)));
}

}  // namespace casemate::ctl
