// Which image of which layout the options mean.
#pragma once

#include <string>

#include "shim/base/result.h"
#include "shim/base/unique_fd.h"
#include "shim/ctl/image_args.h"

namespace casemate::ctl {

// A readable descriptor (not O_PATH: it is locked while index.json changes).
Result<UniqueFd> open_layout(const std::string& path);
// --digest, or the digest that --tag has in the layout now. bad_input "cli.usage" for both or none.
Result<std::string> wanted_digest(int layout, const ImageArgs& options);

}  // namespace casemate::ctl
