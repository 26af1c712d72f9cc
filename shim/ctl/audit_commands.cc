#include "shim/ctl/audit_commands.h"

#include <cinttypes>
#include <cstdio>

#include "shim/ctl/image_args.h"
#include "shim/evidence/audit.h"
#include "shim/sys/real_kernel.h"

namespace casemate::ctl {

Status audit_verify(std::span<const std::string_view> args) {
  const ImageSyntax syntax{
      .usage = "audit verify FILE", .with_value = {}, .flags = {}, .operands = 1};
  const auto options = TRY(parse_image_args(syntax, args));
  sys::RealKernel kernel;
  const auto verdict = TRY(evidence::verify_audit(kernel, options.operands[0]));
  if (!verdict.intact())
    return denied(
        verdict.rule,
        options.operands[0] + " line " + std::to_string(verdict.line) + ": " + verdict.problem,
        "the " + std::to_string(verdict.records) +
            " records before it hold; keep the file and compare it with the receipts");
  std::printf("%" PRIu64 " records, the chain holds; head %s\n", verdict.records,
              verdict.head.hash.c_str());
  return {};
}

}  // namespace casemate::ctl
