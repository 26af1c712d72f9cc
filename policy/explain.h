// A decision in words: one line for each finding, control characters escaped.
#pragma once

#include <string>

#include "policy/decision.h"

namespace casemate::policy {

std::string explain_text(const Decision& decision);

}  // namespace casemate::policy
