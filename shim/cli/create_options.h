// The options that create and run share.
#pragma once

#include "shim/args/args.h"
#include "shim/run/admission.h"

namespace casemate::cli {

// Against the current directory; without a final slash.
Result<std::string> absolute(const std::string& path);

Result<run::CreateRequest> create_request(const Args& args);

}  // namespace casemate::cli
