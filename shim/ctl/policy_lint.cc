#include <algorithm>
#include <cstdio>

#include "policy/lint.h"
#include "shim/base/json.h"
#include "shim/ctl/image_args.h"
#include "shim/ctl/policy_commands.h"
#include "shim/ctl/policy_files.h"

namespace casemate::ctl {
namespace {

void print_json(const std::vector<policy::LintFinding>& findings) {
  Json all = Json::array();
  for (const policy::LintFinding& finding : findings)
    all.push_back({{"id", finding.id},
                   {"level", policy::to_string(finding.level)},
                   {"pointer", finding.pointer},
                   {"text", finding.text}});
  std::fputs(dump_pretty(all).c_str(), stdout);
}

void print_text(const std::string& name, const std::vector<policy::LintFinding>& findings) {
  for (const policy::LintFinding& finding : findings)
    std::printf("%-7s %s %s: %s\n", std::string(policy::to_string(finding.level)).c_str(),
                finding.id.c_str(), printable(finding.pointer).c_str(),
                printable(finding.text).c_str());
  std::printf("profile %s: %zu findings\n", printable(name).c_str(), findings.size());
}

}  // namespace

Status policy_lint(std::span<const std::string_view> args) {
  const ImageSyntax syntax{
      .usage = "policy lint FILE [--json]", .with_value = {}, .flags = {"json"}, .operands = 1};
  const auto options = TRY(parse_image_args(syntax, args));
  const policy::Profile profile = TRY(read_profile(options.operands[0]));
  const auto findings = policy::lint(profile);
  if (options.has("json"))
    print_json(findings);
  else
    print_text(profile.name, findings);
  const bool broken = std::any_of(
      findings.begin(), findings.end(),
      [](const policy::LintFinding& finding) { return finding.level == policy::LintLevel::error; });
  if (!broken) return {};
  return denied("policy.lint", options.operands[0] + " has errors", "mend what stands above");
}

}  // namespace casemate::ctl
