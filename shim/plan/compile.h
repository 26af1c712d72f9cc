// compile: the bounded Spec, and what the job adds to it, as a Plan. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shim/base/result.h"
#include "shim/oci/spec.h"
#include "shim/plan/plan.h"

namespace casemate::plan {

// Where a container that is to tell that it is ready finds the socket for it.
inline constexpr std::string_view kNotifyFolder = "/run/notify";
inline constexpr std::string_view kNotifySocket = "notify.sock";

struct DatasetMount {
  std::string id;
  std::string target;  // absolute path in the container
};

struct Inputs {
  std::string id;                 // container id; names the keyring
  std::string bundle;             // absolute host path; relative sources start here
  std::uint64_t upper_bytes = 0;  // size of the job's tmpfs upper; 0: no overlay
  std::vector<DatasetMount> datasets;
  std::optional<oci::Seccomp> profile_filter;  // installed besides the container's own
  bool selinux_enabled = false;
  bool notify = false;         // a socket for sd_notify(3), and its name in the environment
  int listen_fds = 0;          // descriptors for sd_listen_fds(3), from 3 on
  std::optional<Scope> scope;  // of systemd's; spec.linux.cgroups_path is then its control group's
  std::map<std::string, std::string> resolved;  // host path as asked -> where it leads
};

// Preconditions: `spec` has been through policy::decide. bad_input or unsupported when the spec
// cannot be carried out (unknown capability, rlimit, mount option; a label without SELinux).
Result<Plan> compile(const oci::Spec& spec, const Inputs& inputs);

// The device rules of a cgroup step: those asked for, then the devices that every container has.
oci::Resources with_default_devices(oci::Resources resources);

}  // namespace casemate::plan
