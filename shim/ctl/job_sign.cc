#include <cstdio>

#include "hooks/image/jws.h"
#include "policy/job_request.h"
#include "shim/base/clock.h"
#include "shim/base/json.h"
#include "shim/base/number.h"
#include "shim/ctl/image_args.h"
#include "shim/ctl/job_commands.h"
#include "shim/fs/host_file.h"
#include "shim/sys/random.h"
#include "shim/sys/real_kernel.h"

namespace casemate::ctl {
namespace {

Result<std::int64_t> parse_seconds(const std::string& text) {
  const auto seconds = whole_number<std::int64_t>(text);
  if (seconds && *seconds > 0 && *seconds <= 31'536'000) return *seconds;
  return bad_input("cli.usage", "--valid-for takes seconds, at most a year");
}

Status complete(Json& request, std::int64_t valid_for) {
  if (!request.is_object()) return bad_input("job.request", "the request is not a JSON object");
  const std::int64_t now = now_unix();
  if (!request.contains("issued")) request["issued"] = rfc3339(now);
  if (!request.contains("expires")) request["expires"] = rfc3339(now + valid_for);
  if (request.contains("nonce")) return {};
  request["nonce"] = TRY(sys::random_hex(16));
  return {};
}

}  // namespace

Status job_sign(std::span<const std::string_view> args) {
  const ImageSyntax syntax{
      .usage = "job sign --key FILE --kid NAME REQUEST.json -o FILE [--valid-for SECONDS]",
      .with_value = {"key", "kid", "o", "valid-for"},
      .operands = 1};
  const auto options = TRY(parse_image_args(syntax, args));
  const auto output = TRY(options.require("o"));
  const auto kid = TRY(options.require("kid"));
  const auto key_file = TRY(options.require("key"));
  sys::RealKernel kernel;
  const auto key = TRY(image::PrivateKey::from_file(kernel, key_file));
  const auto text = TRY(fs::read_file(kernel, options.operands[0], image::kMaxJws / 2));
  Json request = TRY(parse_json(text));
  const auto valid_for = TRY(parse_seconds(options.get("valid-for", "3600")));
  TRY(complete(request, valid_for));
  const std::string payload = dump(request);
  const auto job = TRY(policy::parse_job_request(payload));
  const auto jws = TRY(image::sign_jws(key, kid, image::kJobType, payload));
  TRY(fs::write_atomically(kernel, output, jws + "\n", 0644));
  std::printf("signed job of tenant %s for image %s, valid until %s: %s\n",
              printable(job.tenant).c_str(), job.image_digest.c_str(), rfc3339(job.expires).c_str(),
              output.c_str());
  return {};
}

}  // namespace casemate::ctl
