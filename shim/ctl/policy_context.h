// What `casectl policy check` assumes besides bundle and profile.
#pragma once

#include "policy/decide.h"
#include "shim/ctl/image_args.h"
#include "shim/sys/kernel.h"

namespace casemate::ctl {

// --job FILE (signed) with --layout DIR: the request and its image as they say themselves, as if
// create had verified both. --config FILE: the host configuration, for the hooks it lists.
// bad_input "cli.usage" when one of job and layout is missing.
Result<policy::JobContext> assumed_context(sys::Kernel& kernel, const ImageArgs& options);

}  // namespace casemate::ctl
