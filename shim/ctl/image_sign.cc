#include <fcntl.h>

#include <cstdio>

#include "hooks/image/cosign.h"
#include "shim/ctl/image_args.h"
#include "shim/ctl/image_commands.h"
#include "shim/ctl/image_reference.h"
#include "shim/sys/real_kernel.h"

namespace casemate::ctl {

Status image_sign(std::span<const std::string_view> args) {
  const ImageSyntax syntax{
      .usage = "image sign --key FILE --layout DIR (--digest D | --tag T) [--repository R]",
      .with_value = {"key", "layout", "digest", "tag", "repository"}};
  const auto options = TRY(parse_image_args(syntax, args));
  const auto key_file = TRY(options.require("key"));
  sys::RealKernel kernel;
  const auto key = TRY(image::PrivateKey::from_file(kernel, key_file));
  const auto layout_path = TRY(options.require("layout"));
  const auto layout = TRY(open_layout(layout_path));
  const auto digest = TRY(wanted_digest(layout.get(), options));
  TRY(image::sign_cosign(kernel, layout.get(), key,
                         {.repository = options.get("repository"), .digest = digest}));
  std::printf("signed %s as %s\n", digest.c_str(), image::signature_tag(digest).c_str());
  return {};
}

}  // namespace casemate::ctl
