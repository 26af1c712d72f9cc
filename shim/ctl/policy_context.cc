#include "shim/ctl/policy_context.h"

#include "hooks/image/jws.h"
#include "hooks/image/oci_layout.h"
#include "shim/ctl/image_reference.h"
#include "shim/fs/host_file.h"
#include "shim/run/runtime.h"
#include "shim/run/verify.h"

namespace casemate::ctl {
namespace {

Result<policy::ImageConfig> image_config(const std::string& folder, const std::string& digest) {
  const UniqueFd directory = TRY(open_layout(folder));
  const auto layout = TRY(image::OciLayout::open(directory.get()));
  const auto manifest =
      TRY(image::parse_manifest(TRY(layout.read_blob(TRY(layout.find_manifest(digest))))));
  auto config = TRY(image::parse_config(TRY(layout.read_blob(manifest.config))));
  policy::ImageConfig out{.entrypoint = std::move(config.entrypoint),
                          .cmd = std::move(config.cmd),
                          .env = std::move(config.env),
                          .working_dir = std::move(config.working_dir),
                          .user = std::move(config.user)};
  run::resolve_user(out);
  return out;
}

}  // namespace

Result<policy::JobContext> assumed_context(sys::Kernel& kernel, const ImageArgs& options) {
  policy::JobContext context;
  if (options.has("job") != options.has("layout"))
    return bad_input("cli.usage", "--job and --layout go together",
                     "name the signed job and the layout that has its image");
  if (options.has("job")) {
    const auto text = TRY(fs::read_file(kernel, options.get("job"), image::kMaxJws));
    context.job = TRY(policy::parse_job_request(TRY(image::parse_jws(text)).payload));
    context.image = TRY(image_config(options.get("layout"), context.job->image_digest));
  }
  if (options.has("config"))
    context.hooks = TRY(run::make_runtime(kernel, {.config = options.get("config")})).config.hooks;
  return context;
}

}  // namespace casemate::ctl
