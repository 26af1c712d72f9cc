#include "policy/decision.h"

#include <algorithm>

namespace casemate::policy {

std::string_view to_string(Outcome outcome) {
  switch (outcome) {
    case Outcome::keep:
      return "keep";
    case Outcome::tighten:
      return "tighten";
    case Outcome::deny:
      return "deny";
  }
  return "?";
}

Error refusal(const Decision& decision) {
  const auto is_deny = [](const Finding& f) { return f.outcome == Outcome::deny; };
  const auto first = std::ranges::find_if(decision.findings, is_deny);
  if (first == decision.findings.end())
    return internal("policy.no-refusal", "a refusal was asked of a decision without one").error();
  const auto others = std::ranges::count_if(decision.findings, is_deny) - 1;
  std::string hint = first->hint;
  if (others > 0)
    hint += (hint.empty() ? "" : "; ") + std::to_string(others) +
            " more: casectl policy check shows them";
  const std::string what =
      "profile " + decision.profile + " allows " + first->bound + ", asked was " + first->asked;
  return denied(first->rule, what, hint, first->pointer).error();
}

Json to_json(const Decision& decision) {
  Json findings = Json::array();
  for (const auto& f : decision.findings)
    findings.push_back({{"rule", f.rule},
                        {"pointer", f.pointer},
                        {"asked", f.asked},
                        {"bound", f.bound},
                        {"outcome", to_string(f.outcome)},
                        {"hint", f.hint}});
  return {{"profile", decision.profile},
          {"denied", decision.denied},
          {"tainted", decision.tainted},
          {"unsafe", decision.unsafe},
          {"findings", std::move(findings)}};
}

}  // namespace casemate::policy
