#include "shim/run/job_source.h"

#include <algorithm>

#include "shim/fs/host_file.h"

namespace casemate::run {
namespace {

constexpr std::size_t kMaxJob = 64 << 10;

// The bind source of the carrying mount, which is removed; empty when there is none.
std::string take_job_mount(oci::Spec& spec) {
  const auto found =
      std::find_if(spec.mounts.begin(), spec.mounts.end(),
                   [](const oci::Mount& mount) { return mount.destination == kJobMount; });
  if (found == spec.mounts.end()) return {};
  std::string source = found->source;
  spec.mounts.erase(found);
  return source;
}

}  // namespace

Result<std::optional<std::string>> find_job(Runtime& runtime, oci::Spec& spec) {
  const std::string mounted = take_job_mount(spec);
  const std::string* annotation = spec.annotation(kJobAnnotation);
  const int sources = !runtime.settings.job.empty() + (annotation != nullptr) + !mounted.empty();
  if (sources > 1)
    return bad_input("job.source", "the job request is given in more than one way",
                     "use one of --job, the annotation and the mount");
  if (annotation != nullptr && annotation->starts_with('{')) return *annotation;
  const std::string path = !runtime.settings.job.empty() ? runtime.settings.job
                           : annotation != nullptr       ? *annotation
                                                         : mounted;
  if (sources == 0) return std::optional<std::string>();
  if (!path.starts_with('/'))
    return bad_input("job.source",
                     "job request \"" + path + "\" is neither JSON nor an absolute path",
                     "give the signed request or where it is");
  return TRY(fs::read_file(runtime.kernel, path, kMaxJob));
}

}  // namespace casemate::run
