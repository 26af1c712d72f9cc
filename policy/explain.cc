#include "policy/explain.h"

#include "shim/base/result.h"

namespace casemate::policy {
namespace {

std::string line(const Finding& finding) {
  std::string out(to_string(finding.outcome));
  out.resize(8, ' ');
  out += "[" + finding.rule + "] asked " + finding.asked + "; allowed " + finding.bound;
  if (!finding.pointer.empty()) out += " (" + finding.pointer + ")";
  if (!finding.hint.empty()) out += "; " + finding.hint;
  return out;
}

std::string verdict(const Decision& decision) {
  if (decision.denied) return "denied";
  return decision.tainted ? "allowed in complain mode, tainted" : "allowed";
}

}  // namespace

std::string explain_text(const Decision& decision) {
  std::string out = "profile " + decision.profile + ": " + verdict(decision) + "\n";
  for (const auto& finding : decision.findings) out += printable(line(finding)) + "\n";
  for (const auto& field : decision.unsafe) out += "unsafe  " + field + "\n";
  return out;
}

}  // namespace casemate::policy
