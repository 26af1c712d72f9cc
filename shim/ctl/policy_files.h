// Profiles that an admin names on the command line.
#pragma once

#include <string>

#include "policy/profile.h"
#include "shim/base/result.h"

namespace casemate::ctl {

Result<policy::Profile> read_profile(const std::string& path);

}  // namespace casemate::ctl
