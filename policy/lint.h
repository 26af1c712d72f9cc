// Semantic lint of a profile: what parses, but an admin should look at twice.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "policy/profile.h"

namespace casemate::policy {

enum class LintLevel { note, warning, error };
std::string_view to_string(LintLevel level);

struct LintFinding {
  std::string id;  // "P030"
  LintLevel level = LintLevel::warning;
  std::string pointer;  // into the profile
  std::string text;     // what is wrong and how to mend it
};

std::vector<LintFinding> lint(const Profile& profile);

}  // namespace casemate::policy
