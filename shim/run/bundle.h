// The bundle: config.json as a Spec whose host paths are absolute, and those paths opened.
#pragma once

#include <string>
#include <vector>

#include "shim/apply/host_paths.h"
#include "shim/oci/spec.h"
#include "shim/sys/kernel.h"

namespace casemate::run {

// `bundle` is an absolute path; relative paths of the configuration start there.
Result<oci::Spec> load_spec(sys::Kernel& kernel, const std::string& bundle);

// Opens every path of the host that the request names: root, bind sources, hooks.
Status open_host_paths(const oci::Spec& spec, apply::HostPaths& paths);

std::vector<std::string> mount_points_of(const oci::Spec& spec);

}  // namespace casemate::run
