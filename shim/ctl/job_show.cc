#include <cstdio>

#include "hooks/image/jws.h"
#include "policy/job_request.h"
#include "shim/base/json.h"
#include "shim/ctl/image_args.h"
#include "shim/ctl/job_commands.h"
#include "shim/fs/host_file.h"
#include "shim/sys/real_kernel.h"

namespace casemate::ctl {
namespace {

Status check(std::string_view text, const image::UnverifiedJws& jws, const std::string& key_file) {
  sys::RealKernel kernel;
  const auto pem = TRY(fs::read_file(kernel, key_file, 4096));
  const image::NamedKey key{.name = jws.kid, .key = TRY(image::PublicKey::from_pem(pem))};
  TRY(image::verify_jws(text, image::kJobType, {&key, 1}));
  return {};
}

}  // namespace

Status job_show(std::span<const std::string_view> args) {
  const ImageSyntax syntax{
      .usage = "job show FILE [--key FILE]", .with_value = {"key"}, .operands = 1};
  const auto options = TRY(parse_image_args(syntax, args));
  sys::RealKernel kernel;
  const auto text = TRY(fs::read_file(kernel, options.operands[0], image::kMaxJws));
  const auto jws = TRY(image::parse_jws(text));
  const auto job = TRY(policy::parse_job_request(jws.payload));
  if (options.has("key")) TRY(check(text, jws, options.get("key")));
  const Json shown = {{"signature", options.has("key") ? "valid" : "not checked: give --key"},
                      {"header", {{"alg", jws.alg}, {"kid", jws.kid}, {"typ", jws.typ}}},
                      {"job", policy::to_json(job)}};
  std::fputs(dump_pretty(shown).c_str(), stdout);
  return {};
}

}  // namespace casemate::ctl
