// decide(): asked (config.json and job) + bounds (profile) + host facts -> Decision. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "policy/decision.h"
#include "policy/host_config.h"
#include "policy/host_facts.h"
#include "policy/job_request.h"
#include "policy/profile.h"
#include "shim/oci/spec.h"

namespace casemate::policy {

// Of the verified image's config (OCI image-spec, "config").
struct ImageConfig {
  std::vector<std::string> entrypoint, cmd, env;
  std::string working_dir;
  std::string user;  // as written: "", "1000", "1000:1000", "name"
  // What the caller resolved `user` to in the verified rootfs; needed for names.
  std::optional<std::uint32_t> uid, gid;
};

struct JobContext {
  std::optional<JobRequest> job;     // signature, times and permissions already verified
  std::optional<ImageConfig> image;  // of the verified image
  std::vector<HookProgram> hooks;    // the host configuration's list
  // Host path as asked (bind sources, hooks such as /proc/PID/exe) -> where it really leads. A path
  // that is missing here is judged as written. The caller resolves what it will later open by fd.
  std::map<std::string, std::string> resolved;
  std::set<std::string> regular_files;  // of these paths, as asked, those that lead to such a file
  bool holds_data = false;  // of an update: the container's memory holds a dataset in clear
  bool notify = false;  // the caller waits for sd_notify(3): NOTIFY_SOCKET is in its environment
};

Decision decide(const oci::Spec& asked, const Profile& profile, const HostFacts& host,
                const JobContext& context);

// The same bounds for exec: denied "exec.allowed" when the profile has none. `spec` is the bounded
// spec of the container, whose process bounds the new one too: its bounding set, label, rlimits and
// no_new_privs (rules "exec.*"). The bounded process stands in Decision::spec.process, its
// personality in spec.linux.
Decision decide_exec(const oci::Process& asked, const oci::Spec& spec, const Profile& profile,
                     const HostFacts& host, const JobContext& context);

// The bounds for other limits of a running container: `asked` is all that would be in force then.
// Device rules are judged when there are any. Of `context` only `holds_data` counts. The bounded
// limits are Decision::spec.linux.resources.
Decision decide_update(const oci::Resources& asked, const Profile& profile, const HostFacts& host,
                       const JobContext& context);

}  // namespace casemate::policy
