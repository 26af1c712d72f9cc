#include "shim/ctl/receipt_commands.h"

#include <cstdio>

#include "shim/ctl/image_args.h"
#include "shim/evidence/receipt.h"
#include "shim/fs/host_file.h"
#include "shim/sys/real_kernel.h"

namespace casemate::ctl {
namespace {

constexpr std::size_t kMaxReceipt = 1024 * 1024;
constexpr std::size_t kMaxKey = 4096;

void print(const Json& statement, bool json) {
  const std::string text = json ? dump_pretty(statement) : evidence::describe_receipt(statement);
  std::fputs(text.c_str(), stdout);
}

}  // namespace

Status receipt_show(std::span<const std::string_view> args) {
  const ImageSyntax syntax{
      .usage = "receipt show FILE [--json]", .with_value = {}, .flags = {"json"}, .operands = 1};
  const auto options = TRY(parse_image_args(syntax, args));
  sys::RealKernel kernel;
  const auto envelope = TRY(fs::read_file(kernel, options.operands[0], kMaxReceipt));
  const Json statement = TRY(evidence::unverified_statement(envelope));
  print(statement, options.has("json"));
  if (!options.has("json")) std::fputs("signature   not checked: use receipt verify\n", stdout);
  return {};
}

Status receipt_verify(std::span<const std::string_view> args) {
  const ImageSyntax syntax{.usage = "receipt verify FILE --key PUB [--json]",
                           .with_value = {"key"},
                           .flags = {"json"},
                           .operands = 1};
  const auto options = TRY(parse_image_args(syntax, args));
  const auto key_file = TRY(options.require("key"));
  sys::RealKernel kernel;
  const auto key = TRY(fs::read_file(kernel, key_file, kMaxKey));
  const auto envelope = TRY(fs::read_file(kernel, options.operands[0], kMaxReceipt));
  const Json statement = TRY(evidence::verify_receipt(envelope, key));
  print(statement, options.has("json"));
  if (!options.has("json")) std::fputs("signature   valid\n", stdout);
  return {};
}

}  // namespace casemate::ctl
