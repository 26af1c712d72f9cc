// What init works with: descriptors that the parent prepared, and what init itself has opened.
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "shim/apply/proc_status.h"
#include "shim/base/json.h"
#include "shim/base/result.h"
#include "shim/base/unique_fd.h"
#include "shim/fs/proc_fs.h"
#include "shim/fs/safe_root.h"
#include "shim/plan/plan.h"
#include "shim/sys/kernel.h"

namespace casemate::apply {

// Detached mounts made in the host's namespaces before init exists: nothing of the host is resolved
// by path once the image's files are in reach. Keys are indexes into Plan::steps.
struct Prepared {
  UniqueFd root;   // clone of the root directory's mount; the overlay's lower with a tmpfs upper
  UniqueFd upper;  // tmpfs with "upper" and "work"; empty without an overlay
  std::map<std::size_t, UniqueFd> mounts;  // binds and datasets
  struct CgroupMount {
    std::string name;  // directory below the destination; empty for a unified hierarchy
    UniqueFd mount;
  };
  std::map<std::size_t, std::vector<CgroupMount>> cgroups;
  std::map<std::size_t, std::vector<UniqueFd>> hooks;  // executables of createContainer hooks
  std::map<std::size_t, std::vector<sock_filter>> filters;
};

// What became of a mount step, for the read-back by mountinfo's mount id.
struct Attached {
  std::size_t step = 0;
  std::uint64_t mount_id = 0;  // 0: the path is absent, nothing to cover
};

struct InitContext {
  sys::Kernel& kernel;
  const plan::Plan& plan;
  Prepared& prepared;
  Json state = Json::object();       // OCI state, for hooks; status and pid are filled in
  int console_socket = -1;           // connected; -1 without a terminal
  std::optional<fs::SafeRoot> root;  // since AttachRoot
  std::optional<fs::ProcFs> proc;    // of init's own pid namespace; opened when absent
  UniqueFd masked_directory;         // the first masking tmpfs; the others are clones of it
  std::vector<Attached> attached;
  ProcStatus before;       // of init as it was before SetCredentials
  std::string executable;  // found by ResolveProgram
};

}  // namespace casemate::apply
