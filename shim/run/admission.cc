#include "shim/run/admission.h"

#include <algorithm>

#include "policy/decide.h"
#include "shim/base/encoding.h"
#include "shim/cgroup/paths.h"
#include "shim/fs/host_file.h"
#include "shim/plan/compile.h"
#include "shim/run/bundle.h"
#include "shim/run/hook_digest.h"
#include "shim/run/host_facts.h"
#include "shim/run/job_source.h"
#include "shim/run/notify.h"
#include "shim/run/preserved_fds.h"
#include "shim/systemd/manager.h"
#include "shim/systemd/scope.h"

namespace casemate::run {
namespace {

constexpr std::size_t kMaxProfile = 1 << 20;

// With --systemd-cgroup the path is a unit's, from here on that of its control group.
Status name_cgroup(Runtime& runtime, oci::Spec& spec, Admission& admission) {
  std::string& path = spec.linux.cgroups_path;
  const std::string own = own_cgroup(runtime.settings, admission.request.id);
  if (!runtime.settings.systemd_cgroup) {
    if (path.empty()) path = own;
    TRY(cgroup::leaf_path({}, false, path));  // refused here, before anything is spent or made
    return {};
  }
  TRY(systemd::check_host(systemd::is_booted(runtime.kernel), admission.hierarchies));
  if (path.empty()) path = "::" + own.substr(1);
  admission.scope = TRY(systemd::parse_scope(path));
  path = TRY(systemd::control_group(*admission.scope));
  return {};
}

Status check_gpu(const policy::JobRequest& job) {
  if (job.gpu == 0) return {};
  return unsupported("gpu.lease", "the job asks for a GPU and this version does not lend one",
                     "ask for \"gpu\": 0", "/gpu");
}

Status verify_request(Runtime& runtime, oci::Spec& spec, Admission& admission) {
  const auto text = TRY(find_job(runtime, spec));
  if (!text) return {};
  admission.job = TRY(verify_job(runtime, *text));
  TRY(check_gpu(admission.job->request));
  runtime.progress.done("job request signed by scheduler " + admission.job->scheduler +
                        " for tenant " + admission.job->request.tenant);
  return {};
}

Status choose_profile(Runtime& runtime, Admission& admission) {
  policy::Selection selection;
  selection.job = admission.job ? &admission.job->request : nullptr;
  selection.tenant = admission.job ? admission.job->request.tenant : runtime.settings.tenant;
  LoadedProfile loaded =
      TRY(load_profile(runtime, TRY(policy::select_profile(runtime.config, selection))));
  admission.profile = std::move(loaded.profile);
  admission.profile_digest = std::move(loaded.digest);
  runtime.progress.done("profile " + admission.profile.name + " chosen by the host's rules");
  return {};
}

Status verify_rootfs(Runtime& runtime, const oci::Spec& spec, Admission& admission) {
  if (admission.profile.image.level == policy::ImageLevel::none) return {};
  if (!admission.job)
    return denied(
        "image.job",
        "profile " + admission.profile.name + " verifies the image, and no job request names one",
        "start the container with a signed job request");
  const int rootfs = TRY(admission.paths.fd(spec.root.path));
  admission.image = TRY(verify_image(runtime, admission.job->request, admission.profile, rootfs,
                                     mount_points_of(spec)));
  runtime.progress.done("image " + admission.image->digest.substr(0, 19) + "... signed by " +
                        admission.image->signer + ", " +
                        std::to_string(admission.image->bytes >> 20) + " MiB compared");
  return {};
}

// What the dataset's mount cannot keep out of swap must not be opened on a host that swaps.
Status check_swap(const Admission& admission, const policy::HostFacts& host) {
  const bool data = admission.job && !admission.job->request.datasets.empty();
  if (!data || !host.swap_active || host.tmpfs_noswap) return {};
  return denied("dataset.swap", "this host swaps and its kernel cannot keep a dataset out of it",
                "turn swap off, or use Linux 6.4 or newer");
}

bool may_join_users(const policy::Profile& profile) {
  return profile.mode == policy::Mode::complain ||
         std::ranges::find(profile.namespaces.join, oci::NamespaceType::user) !=
             profile.namespaces.join.end();
}

// What is allowed and this version cannot carry out is refused, never ignored.
Status refuse_unserved(const Admission& admission) {
  if (admission.profile.lifetime_seconds)
    return unsupported("profile.lifetime", "this version does not end a job after a time",
                       "take lifetime_seconds out of profile " + admission.profile.name,
                       "/lifetime_seconds");
  return {};
}

// The plan is compared with what the kernel shows.
Status write_labels_canonically(oci::Spec& spec) {
  std::string& process = spec.process->selinux_label;
  process = TRY(canonical_label(process, "/process/selinuxLabel"));
  std::string& mounts = spec.linux.mount_label;
  mounts = TRY(canonical_label(mounts, "/linux/mountLabel"));
  return {};
}

Status decide_and_compile(Runtime& runtime, const oci::Spec& spec, Admission& admission) {
  const policy::HostFacts host = TRY(read_host_facts(runtime.kernel, admission.hierarchies));
  policy::JobContext context;
  if (admission.job) context.job = admission.job->request;
  if (admission.image) context.image = admission.image->config;
  context.hooks = runtime.config.hooks;
  context.resolved = admission.paths.resolved();
  context.regular_files = admission.paths.regular_files();
  context.notify = !runtime.settings.notify_socket.empty();
  admission.decision = policy::decide(spec, admission.profile, host, context);
  if (admission.decision.denied) return std::unexpected(policy::refusal(admission.decision));
  TRY(require_all(admission.decision.spec.linux, admission.joined));
  TRY(write_labels_canonically(admission.decision.spec));
  TRY(check_hook_digests(runtime, admission.decision.spec, admission.paths));
  TRY(refuse_unserved(admission));
  TRY(check_preserved_allowed(admission.request.preserve_fds, admission.profile));
  if (admission.decision.notify) TRY(check_notify_socket(runtime.settings.notify_socket));
  TRY(check_swap(admission, host));

  plan::Inputs inputs;
  inputs.id = admission.request.id;
  inputs.bundle = admission.request.bundle;
  inputs.upper_bytes =
      admission.profile.rootfs.tmpfs_upper ? admission.profile.rootfs.upper_bytes : 0;
  if (admission.job)
    for (const policy::JobDataset& dataset : admission.job->request.datasets)
      inputs.datasets.push_back({dataset.id, dataset.target});
  inputs.profile_filter = admission.decision.seccomp;
  inputs.selinux_enabled = host.selinux;
  inputs.scope = admission.scope;
  inputs.resolved = std::move(context.resolved);
  inputs.notify = admission.decision.notify;
  inputs.listen_fds = admission.request.listen_fds;
  admission.plan = TRY(plan::compile(admission.decision.spec, inputs));
  admission.plan_text = dump(admission.plan.to_json());
  admission.plan_digest = plan::digest_of(admission.plan_text);
  return {};
}

}  // namespace

// The same id may live under several roots; so may its cgroup.
std::string own_cgroup(const Settings& settings, const std::string& id) {
  return "/casemate-" + sha256_hex(settings.root + "\n" + id).substr(0, 32);
}

Result<LoadedProfile> load_profile(Runtime& runtime, const std::string& name) {
  const auto& folders = runtime.config.paths.profiles;
  for (auto folder = folders.rbegin(); folder != folders.rend(); ++folder) {
    const std::string file = *folder + "/" + name + ".json";
    const auto text = fs::read_trusted_file(runtime.kernel, file, kMaxProfile);
    if (!text && fs::is_absent(runtime.kernel, file)) continue;
    if (!text) return std::unexpected(Error(text.error()).with_context("profile " + name));
    LoadedProfile loaded;
    loaded.profile = TRY(policy::parse_profile(*text));
    if (loaded.profile.name != name)
      return bad_input("profile.name",
                       "the file of profile " + name + " calls itself " + loaded.profile.name,
                       "rename the file or the profile", "/name");
    loaded.digest = "sha256:" + sha256_hex(*text);
    return loaded;
  }
  return denied("profile.unknown", "no profile \"" + name + "\" on this host",
                "install it, or name another one in the host's rules");
}

Result<Admission> admit(Runtime& runtime, const CreateRequest& request,
                        std::vector<cgroup::Hierarchy> hierarchies) {
  Admission admission{.request = request,
                      .paths = apply::HostPaths(runtime.kernel),
                      .hierarchies = std::move(hierarchies)};
  oci::Spec spec = TRY(load_spec(runtime.kernel, request.bundle));
  if (!spec.process)
    return bad_input("oci.process", "config.json has no process to run", "add a process",
                     "/process");
  TRY(name_cgroup(runtime, spec, admission));
  TRY(verify_request(runtime, spec, admission));
  TRY(choose_profile(runtime, admission));
  TRY(open_host_paths(spec, admission.paths));
  admission.joined = TRY(open_namespaces(runtime.kernel, spec.linux));
  // Into a namespace that the policy refuses nobody goes, not even to read its mappings.
  if (may_join_users(admission.profile))
    TRY(adopt_id_mappings(runtime.kernel, admission.joined, spec.linux));
  TRY(verify_rootfs(runtime, spec, admission));
  TRY(decide_and_compile(runtime, spec, admission));
  return admission;
}

Json Admission::receipt_facts(const Settings& settings) const {
  std::size_t tightened = 0;
  for (const policy::Finding& finding : decision.findings)
    tightened += finding.outcome == policy::Outcome::tighten;
  Json facts = {{"container", request.id},
                {"root", settings.root},
                {"profile",
                 {{"name", profile.name},
                  {"digest", profile_digest},
                  {"mode", policy::to_string(profile.mode)},
                  {"tainted", decision.tainted},
                  {"unsafe", decision.unsafe}}},
                {"plan", plan_digest},
                {"decision", {{"findings", decision.findings.size()}, {"tightened", tightened}}},
                {"gpu", "none"}};
  if (job) {
    facts["tenant"] = job->request.tenant;
    facts["scheduler"] = job->scheduler;
    facts["job"] = {{"nonce", job->request.nonce}};
  }
  if (image) {
    facts["imageDigest"] = image->digest;
    facts["image"] = {{"digest", image->digest},
                      {"signer", image->signer},
                      {"level", policy::to_string(image->level)}};
  }
  return facts;
}

}  // namespace casemate::run
