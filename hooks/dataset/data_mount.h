// The tmpfs that holds a dataset in clear, by descriptor only.
#pragma once

#include <cstdint>
#include <string>

#include "shim/base/result.h"
#include "shim/base/unique_fd.h"
#include "shim/sys/kernel.h"

namespace casemate::dataset {

struct DataMount {
  UniqueFd root;  // the attached mount, readable as a directory
  bool noswap = false;
  bool huge = false;
};
// Moves the calling process into a mount namespace of its own, in which nothing propagates.
Status enter_private_mounts(sys::Kernel& kernel);

// A tmpfs of at most `bytes`, root 0700 of uid and gid, all files with the SELinux label (empty:
// the policy's choice), nosuid nodev noexec nosymfollow, attached in the private namespace over "/"
// (where no path lookup of this process goes): only an attached mount can be cloned before
// Linux 6.15. noswap (Linux 6.4) and huge pages are used where the kernel has them.
Result<DataMount> make_data_mount(sys::Kernel& kernel, std::uint64_t bytes, uid_t uid, gid_t gid,
                                  const std::string& label = {});

// A detached clone for who will wipe it, writable as a mount.
Result<UniqueFd> clone_for_holder(sys::Kernel& kernel, const DataMount& mount);

// Sets the root's mode, makes the superblock read-only, and clones it read-only for the job.
Result<UniqueFd> finish_data_mount(sys::Kernel& kernel, const DataMount& mount, mode_t mode);

}  // namespace casemate::dataset
