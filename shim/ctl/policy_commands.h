// casectl policy lint|check. Each prints its result to stdout and returns why it failed.
#pragma once

#include <span>
#include <string_view>

#include "shim/base/result.h"

namespace casemate::ctl {

// policy lint FILE [--json]
// Parses a profile strictly and says what an admin should look at twice. denied "policy.lint" when
// a finding is an error.
Status policy_lint(std::span<const std::string_view> args);

// policy check --bundle DIR --profile FILE [--job FILE --layout DIR] [--config FILE] [--json]
// What this host would decide about the bundle's config.json under the profile, without a job and
// without changing anything. The refusal that `casemate create` would give, when it would.
Status policy_check(std::span<const std::string_view> args);

}  // namespace casemate::ctl
