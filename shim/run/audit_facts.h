// What goes into audit records, whose size is bounded: what a request brings may be as long as it
// likes, and must not keep the record of its refusal from being written.
#pragma once

#include <string>
#include <string_view>

#include "policy/decision.h"
#include "shim/base/json.h"

namespace casemate::run {

inline constexpr std::size_t kMostText = 8 << 10;  // as the record writes it, escapes included
inline constexpr std::size_t kMostName = 1 << 10;  // of a container
inline constexpr std::size_t kMostFindings = 20 << 10;

// The text; one that takes more than `most` in a record is cut, and its size and digest follow.
std::string bounded_text(std::string_view text, std::size_t most = kMostText);

// policy::to_json(); in place of findings that take more than kMostFindings their number
// ("findings"), their number for each outcome ("outcomes") and the digest of their JSON.
Json decision_facts(const policy::Decision& decision);

}  // namespace casemate::run
