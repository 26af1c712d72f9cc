#include "shim/run/audit_facts.h"

#include "shim/base/encoding.h"

namespace casemate::run {
namespace {

// Records escape all but printable ASCII as \uXXXX.
std::size_t written_size(char c) {
  constexpr std::size_t kEscaped = 6;
  return c >= 0x20 && c < 0x7f && c != '"' && c != '\\' ? 1 : kEscaped;
}

std::string digest(std::string_view text) {
  return "sha256:" + sha256_hex(text);
}

}  // namespace

std::string bounded_text(std::string_view text, std::size_t most) {
  std::size_t kept = 0;
  for (std::size_t size = 0; kept < text.size(); ++kept) {
    size += written_size(text[kept]);
    if (size > most) break;
  }
  if (kept == text.size()) return std::string(text);
  return std::string(text.substr(0, kept)) + " ... (" + std::to_string(text.size()) + " bytes, " +
         digest(text) + ")";
}

Json decision_facts(const policy::Decision& decision) {
  Json facts = policy::to_json(decision);
  const std::string findings =
      facts["findings"].dump(-1, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace);
  if (findings.size() <= kMostFindings) return facts;
  Json outcomes = Json::object();
  for (const policy::Finding& finding : decision.findings) {
    Json& count = outcomes[std::string(policy::to_string(finding.outcome))];
    count = count.is_null() ? 1 : count.get<int>() + 1;
  }
  facts["findings"] = decision.findings.size();
  facts["outcomes"] = std::move(outcomes);
  facts["findingsDigest"] = digest(findings);
  return facts;
}

}  // namespace casemate::run
