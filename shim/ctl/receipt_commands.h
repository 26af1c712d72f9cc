// casectl receipt show|verify. Each prints its result to stdout and returns why it failed. `args`
// are those after the command's words.
#pragma once

#include <span>
#include <string_view>

#include "shim/base/result.h"

namespace casemate::ctl {

// receipt show FILE [--json]
// Shows the facts without checking the signature, and says so.
Status receipt_show(std::span<const std::string_view> args);

// receipt verify FILE --key PUB [--json]
// PUB is the receipt.pub of the host that wrote the receipt. denied "receipt.signature" when it
// does not hold.
Status receipt_verify(std::span<const std::string_view> args);

}  // namespace casemate::ctl
