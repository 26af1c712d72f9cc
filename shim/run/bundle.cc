#include "shim/run/bundle.h"

#include <algorithm>

#include "shim/fs/host_file.h"

namespace casemate::run {
namespace {

constexpr std::size_t kMaxConfig = 4 << 20;

bool is_bind(const oci::Mount& mount) {
  const auto has = [&](const char* option) {
    return std::find(mount.options.begin(), mount.options.end(), option) != mount.options.end();
  };
  return mount.type == "bind" || has("bind") || has("rbind");
}

void make_absolute(std::string& path, const std::string& bundle) {
  if (!path.starts_with('/')) path = bundle + "/" + path;
}

void collect(const std::vector<oci::Hook>& hooks, std::vector<std::string>& out) {
  for (const oci::Hook& hook : hooks) out.push_back(hook.path);
}

std::vector<std::string> host_paths_of(const oci::Spec& spec) {
  std::vector<std::string> paths = {spec.root.path};
  for (const oci::Mount& mount : spec.mounts)
    if (is_bind(mount)) paths.push_back(mount.source);
  const oci::Hooks& hooks = spec.hooks;  // startContainer's are paths of the container
  for (const auto* phase : {&hooks.prestart, &hooks.create_runtime, &hooks.create_container,
                            &hooks.poststart, &hooks.poststop})
    collect(*phase, paths);
  return paths;
}

}  // namespace

Result<oci::Spec> load_spec(sys::Kernel& kernel, const std::string& bundle) {
  auto text = fs::read_file(kernel, bundle + "/config.json", kMaxConfig);
  if (!text && text.error().sys_errno == ENOENT)
    return bad_input("bundle.config", "there is no " + bundle + "/config.json",
                     "name the bundle's folder with --bundle");
  if (!text) return std::unexpected(std::move(text.error()));
  oci::Spec spec = TRY(oci::parse_spec(*text));
  make_absolute(spec.root.path, bundle);
  for (oci::Mount& mount : spec.mounts)
    if (is_bind(mount)) make_absolute(mount.source, bundle);
  return spec;
}

Status open_host_paths(const oci::Spec& spec, apply::HostPaths& paths) {
  for (const std::string& path : host_paths_of(spec)) TRY(paths.open(path));
  return {};
}

std::vector<std::string> mount_points_of(const oci::Spec& spec) {
  std::vector<std::string> points;
  for (const oci::Mount& mount : spec.mounts) points.push_back(mount.destination);
  return points;
}

}  // namespace casemate::run
