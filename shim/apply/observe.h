// Reads back what a container's init is, from the host's /proc, for plan::check.
#pragma once

#include "shim/apply/init_context.h"
#include "shim/fs/safe_root.h"
#include "shim/plan/check.h"

namespace casemate::apply {

struct InitIdentity {
  pid_t pid = 0;
  std::vector<Attached> attached;    // as init reported
  std::vector<int> own_descriptors;  // numbers init keeps until exec (close-on-exec) or on purpose
  // Inodes of the namespaces that were opened to be joined; of others the path is looked at again.
  std::map<oci::NamespaceType, std::uint64_t> joined = {};
};

// internal when /proc cannot be read: what cannot be seen is not started.
Result<plan::Observed> observe(sys::Kernel& kernel, const plan::Plan& plan,
                               const InitIdentity& init);

// For each step that names a path in the container: the mount that the path leads to, 0 when it is
// absent. Nothing of the image may run meanwhile.
Result<std::map<std::size_t, std::uint64_t>> mounts_at(const fs::SafeRoot& root,
                                                       const plan::Plan& plan);

// Of what the plan has a step for: scheduler, I/O priority, processors, personality.
Status observe_scheduling(sys::Kernel& kernel, const plan::Plan& plan, pid_t pid,
                          plan::Observed& out);

// The name of a namespace's link in /proc/PID/ns.
const char* proc_name(oci::NamespaceType type);

// Pure: the lines of /proc/PID/mountinfo and /proc/PID/limits.
Result<std::vector<plan::ObservedMount>> parse_mountinfo(std::string_view text);
Result<std::map<std::string, plan::ObservedLimit>> parse_limits(std::string_view text);

}  // namespace casemate::apply
