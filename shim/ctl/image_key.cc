#include <fcntl.h>
#include <unistd.h>

#include <cstdio>

#include "hooks/image/signature.h"
#include "shim/base/unique_fd.h"
#include "shim/ctl/image_args.h"
#include "shim/ctl/image_commands.h"
#include "shim/fs/host_file.h"
#include "shim/sys/real_kernel.h"

namespace casemate::ctl {
namespace {

// A key that exists is never replaced: something may depend on it.
Status write_new(const std::string& path, std::string_view bytes, mode_t mode) {
  const UniqueFd file(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
  if (!file && errno == EEXIST)
    return denied("key.exists", path + " exists already", "choose another --out");
  if (!file) return sys_error("create " + path);
  sys::RealKernel kernel;
  const auto written = fs::write_all(kernel, file.get(), bytes);
  if (!written) ::unlink(path.c_str());
  return written;
}

Result<image::KeyType> parse_type(const std::string& name) {
  if (name == "p256") return image::KeyType::p256;
  if (name == "ed25519") return image::KeyType::ed25519;
  return bad_input("cli.usage", "--type must be p256 or ed25519");
}

}  // namespace

Status key_generate(std::span<const std::string_view> args) {
  const ImageSyntax syntax{.usage = "key generate --type p256|ed25519 --out PREFIX",
                           .with_value = {"type", "out"}};
  const auto options = TRY(parse_image_args(syntax, args));
  const auto type_name = TRY(options.require("type"));
  const auto type = TRY(parse_type(type_name));
  const auto prefix = TRY(options.require("out"));
  const auto key = TRY(image::PrivateKey::generate(type));
  const auto pem = TRY(key.to_pem());
  const auto public_pem = TRY(key.public_key().to_pem());
  TRY(write_new(prefix, as_text({pem.data(), pem.size()}), 0600));
  const auto published = write_new(prefix + ".pub", public_pem, 0644);
  if (!published) {
    ::unlink(prefix.c_str());
    return published;
  }
  std::printf("wrote %s and %s.pub\n", prefix.c_str(), prefix.c_str());
  return {};
}

}  // namespace casemate::ctl
