// Rules about a request as a whole: --privileged, the host, the job's data and GPU.
#include <algorithm>

#include "policy/match.h"
#include "policy/rules.h"

namespace casemate::policy {
namespace {

bool asks_every_device(const oci::Resources& resources) {
  return std::ranges::any_of(resources.devices, [](const oci::DeviceRule& rule) {
    return rule.allow && rule.type == 'a' && !rule.major && rule.access != "m";
  });
}

bool knows(const HostFacts& host, std::string_view fact) {
  if (fact == "selinux") return host.selinux;
  if (fact == "cgroup-v2") return host.cgroup == CgroupMode::v2;
  if (fact == "tmpfs-noswap") return host.tmpfs_noswap;
  if (fact == "no-swap") return !host.swap_active;
  if (fact == "init-on-free") return host.init_on_free;
  return fact == "memfd-secret" && host.memfd_secret;
}

std::string version(int major, int minor) {
  return std::to_string(major) + "." + std::to_string(minor);
}

// Kernel file systems live there, and engines' own files.
bool reserved_target(std::string_view path) {
  for (const char* folder : {"/proc", "/sys", "/dev", "/etc", "/run"})
    if (path_within(folder, path)) return true;
  return path == "/";
}

void judge_dataset(Judgement& j, const JobDataset& dataset) {
  const auto& rules = j.profile.dataset;
  if (reserved_target(dataset.target) || !path_matches_any(rules.targets, dataset.target))
    j.deny("dataset.target", "", "dataset " + dataset.id + " at " + dataset.target,
           joined(rules.targets), "sign the job with another target");
  for (std::size_t i = 0; i < j.spec.mounts.size(); ++i) {
    const auto& place = j.spec.mounts[i].destination;
    if (path_within(dataset.target, place) || path_within(place, dataset.target))
      j.deny("dataset.covered", "/mounts/" + std::to_string(i) + "/destination",
             "a mount at " + place, "nothing that covers dataset " + dataset.id,
             "remove the mount or give the dataset another target");
  }
}

void judge_gpu(Judgement& j, int asked) {
  if (asked > j.profile.gpu.count)
    j.deny("gpu.count", "", std::to_string(asked) + " GPU", std::to_string(j.profile.gpu.count),
           "sign the job without a GPU, or for a profile that lends one");
  else if (asked > static_cast<int>(j.host.gpus.size()))
    j.deny("gpu.present", "", std::to_string(asked) + " GPU",
           "the " + std::to_string(j.host.gpus.size()) + " that this host has",
           "run the job on a host with an NVIDIA GPU");
}

}  // namespace

// One clear reason before the dozens of single ones that --privileged trips.
void judge_privileged(Judgement& j) {
  const auto& process = j.spec.process;
  const bool admin = process && process->capabilities &&
                     contains(process->capabilities->bounding, "CAP_SYS_ADMIN");
  if (!admin || !asks_every_device(j.spec.linux.resources)) return;
  if (j.profile.devices.unsafe_wildcard &&
      contains(j.profile.capabilities.ceiling, "CAP_SYS_ADMIN"))
    return;
  j.deny("privileged.request", "/linux/resources/devices",
         "a privileged container: every device and CAP_SYS_ADMIN", "none",
         "run without --privileged and name the one capability or device that is needed");
}

void judge_host(Judgement& j) {
  const auto& rules = j.profile.host;
  const bool old = j.host.kernel_major < rules.min_kernel_major ||
                   (j.host.kernel_major == rules.min_kernel_major &&
                    j.host.kernel_minor < rules.min_kernel_minor);
  if (old)
    j.deny("host.kernel", "", "Linux " + version(j.host.kernel_major, j.host.kernel_minor),
           "Linux " + version(rules.min_kernel_major, rules.min_kernel_minor) + " or newer",
           "run on a host with a newer kernel");
  for (const auto& fact : rules.facts)
    if (!knows(j.host, fact))
      j.deny("host." + fact, "", "a host without " + fact, "hosts with " + fact,
             "prepare the host, or take a profile that does not need it");
}

// A process of ours that enters the container changes its ids there; hidden before, it would be
// seen again by whoever may trace there (CVE-2016-9962).
void judge_dumps(Judgement& j) {
  if (!j.host.dumps_after_setuid) return;
  j.deny("host.suid-dumpable", "", "a host with fs.suid_dumpable = 1", "0 or 2",
         "sysctl -w fs.suid_dumpable=0");
}

void judge_job(Judgement& j) {
  if (j.profile.image.level != ImageLevel::none && !j.context.image)
    j.deny("image.unverified", "/root/path", "an image that is not verified",
           "images verified to level " + std::string(to_string(j.profile.image.level)),
           "have the image signed and admitted: casectl image verify");
  if (!j.context.job) return;
  const JobRequest& job = *j.context.job;
  if (job.profile != j.profile.name)
    j.deny("job.profile", "", "profile " + job.profile, j.profile.name,
           "sign the job for profile " + j.profile.name);
  if (!job.datasets.empty() && !j.profile.dataset.allowed)
    j.deny("dataset.allowed", "", std::to_string(job.datasets.size()) + " datasets", "none",
           "sign the job for a profile that opens datasets");
  for (const auto& dataset : job.datasets) judge_dataset(j, dataset);
  judge_gpu(j, job.gpu);
}

}  // namespace casemate::policy
