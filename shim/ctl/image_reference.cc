#include "shim/ctl/image_reference.h"

#include <fcntl.h>

#include "hooks/image/oci_layout.h"
#include "shim/base/encoding.h"

namespace casemate::ctl {

Result<UniqueFd> open_layout(const std::string& path) {
  UniqueFd directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory) return directory;
  return sys_error("open layout " + path);
}

Result<std::string> wanted_digest(int layout, const ImageArgs& options) {
  if (options.has("digest") == options.has("tag"))
    return bad_input("cli.usage", "give either --digest or --tag");
  if (options.has("tag")) {
    const auto opened = TRY(image::OciLayout::open(layout));
    return TRY(opened.find_tag(options.get("tag"))).digest;
  }
  auto digest = options.get("digest");
  if (is_sha256_digest(digest)) return digest;
  return bad_input("cli.usage", "--digest must be sha256:<64 lower-case hex digits>");
}

}  // namespace casemate::ctl
