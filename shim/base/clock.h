// Time as the records need it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "shim/base/result.h"

namespace casemate {

std::int64_t now_unix();                         // seconds since the epoch, CLOCK_REALTIME
std::int64_t monotonic_ns();                     // CLOCK_MONOTONIC
std::string rfc3339(std::int64_t unix_seconds);  // UTC, "2026-01-02T03:04:05Z"
std::string now_rfc3339();
// Only the form that rfc3339() writes: UTC with "Z", whole seconds.
Result<std::int64_t> parse_rfc3339(std::string_view text);

}  // namespace casemate
