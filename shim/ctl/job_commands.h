// casectl job sign|show. Each prints its result to stdout and returns why it failed.
#pragma once

#include <span>
#include <string_view>

#include "shim/base/result.h"

namespace casemate::ctl {

// job sign --key FILE --kid NAME REQUEST.json -o FILE [--valid-for SECONDS]
// REQUEST.json is the payload (policy/job_request.h); "nonce", "issued" and "expires" are filled in
// when absent: a random nonce, now, and now plus SECONDS (3600 by default).
Status job_sign(std::span<const std::string_view> args);

// job show FILE [--key FILE]
// Prints header and payload. Without the scheduler's public key nothing of it is verified, and the
// output says so.
Status job_show(std::span<const std::string_view> args);

}  // namespace casemate::ctl
