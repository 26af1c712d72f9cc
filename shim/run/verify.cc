#include "shim/run/verify.h"

#include <fcntl.h>

#include "shim/base/clock.h"
#include "shim/base/number.h"
#include "shim/fs/host_file.h"
#include "shim/sys/helper.h"

namespace casemate::run {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kMaxKey = 16 << 10;
constexpr milliseconds kJobDeadline{10'000};
constexpr milliseconds kImageDeadline{600'000};

Result<std::string> read_key(Runtime& runtime, const std::string& path) {
  return fs::read_trusted_file(runtime.kernel, path, kMaxKey);
}

Result<Json> scheduler_keys(Runtime& runtime) {
  Json all = Json::array();
  for (const policy::Scheduler& scheduler : runtime.config.schedulers)
    all.push_back({{"name", scheduler.name},
                   {"key_pem", TRY(read_key(runtime, scheduler.key))},
                   {"tenants", scheduler.tenants},
                   {"profiles", scheduler.profiles},
                   {"images", scheduler.images}});
  return all;
}

Result<const policy::Signer*> known_signer(const Runtime& runtime, const policy::Profile& profile,
                                           const std::string& name) {
  const policy::Signer* signer = runtime.config.signer(name);
  if (signer != nullptr) return signer;
  return bad_input("host.signer",
                   "profile " + profile.name + " names image signer \"" + name +
                       "\", which the host configuration does not know",
                   "add it to \"signers\" in " + runtime.settings.config);
}

// "*" in a profile: every signer that the host knows.
Result<std::vector<const policy::Signer*>> signers_of(const Runtime& runtime,
                                                      const policy::Profile& profile) {
  std::vector<const policy::Signer*> signers;
  for (const std::string& name : profile.image.signers) {
    if (name != "*") {
      signers.push_back(TRY(known_signer(runtime, profile, name)));
      continue;
    }
    for (const policy::Signer& one : runtime.config.signers) signers.push_back(&one);
  }
  return signers;
}

Result<Json> signer_keys(Runtime& runtime, const policy::Profile& profile) {
  Json all = Json::array();
  for (const policy::Signer* signer : TRY(signers_of(runtime, profile)))
    all.push_back({{"name", signer->name}, {"key_pem", TRY(read_key(runtime, signer->key))}});
  return all;
}

Result<policy::ImageConfig> parse_config(JsonObject object) {
  policy::ImageConfig config;
  using Strings = std::vector<std::string>;
  config.entrypoint = TRY(object.get_or<Strings>("entrypoint", {}));
  config.cmd = TRY(object.get_or<Strings>("cmd", {}));
  config.env = TRY(object.get_or<Strings>("env", {}));
  config.working_dir = TRY(object.get_or<std::string>("workingDir", ""));
  config.user = TRY(object.get_or<std::string>("user", ""));
  resolve_user(config);
  return config;
}

Result<VerifiedImage> parse_verdict(const Json& body, policy::ImageLevel level) {
  auto object = TRY(JsonObject::of(body));
  VerifiedImage image;
  image.digest = TRY(object.get<std::string>("digest"));
  image.signer = TRY(object.get<std::string>("signer"));
  image.level = level;
  image.config = TRY(parse_config(TRY(object.object("config"))));
  image.bytes = TRY(object.get<std::uint64_t>("bytes"));
  return image;
}

// Layout folders that exist; the helper looks for the digest in each.
Result<std::vector<UniqueFd>> open_layouts(Runtime& runtime) {
  std::vector<UniqueFd> layouts;
  for (const std::string& path : runtime.config.paths.layouts)
    if (auto directory = fs::open_directory(runtime.kernel, path))
      layouts.push_back(std::move(*directory));
  if (layouts.empty())
    return bad_input("image.layouts", "none of the image layout folders of this host exists",
                     "put the image's OCI layout into a folder of \"paths.layouts\"");
  return layouts;
}

}  // namespace

void resolve_user(policy::ImageConfig& config) {
  const auto number = whole_number<std::uint32_t>;
  if (config.user.empty()) {
    config.uid = config.gid = 0;
    return;
  }
  const std::string_view user = config.user;
  const auto colon = user.find(':');
  config.uid = number(user.substr(0, colon));
  config.gid = colon == std::string_view::npos ? std::optional<std::uint32_t>(0)
                                               : number(user.substr(colon + 1));
}

Result<VerifiedJob> verify_job(Runtime& runtime, const std::string& jws) {
  const Json request = {{"op", "job"},
                        {"jws", jws},
                        {"schedulers", TRY(scheduler_keys(runtime))},
                        {"now", now_unix()}};
  const auto reply = TRY(sys::call_helper(runtime.program("casemate-verify"), request, {},
                                          {.deadline = kJobDeadline}));
  auto object = TRY(JsonObject::of(reply.body));
  const Json* payload = object.take("job");
  if (payload == nullptr) return internal("helper.reply", "casemate-verify sent no job");
  VerifiedJob job;
  job.request = TRY(policy::parse_job_request(dump(*payload)));
  job.scheduler = TRY(object.get<std::string>("scheduler"));
  TRY(policy::check_times(job.request, now_unix()));
  TRY(policy::scheduler_may(runtime.config, job.scheduler, job.request));
  return job;
}

Result<VerifiedImage> verify_image(Runtime& runtime, const policy::JobRequest& job,
                                   const policy::Profile& profile, int rootfs,
                                   const std::vector<std::string>& mount_points) {
  const std::vector<UniqueFd> layouts = TRY(open_layouts(runtime));
  std::vector<int> fds;
  for (const UniqueFd& layout : layouts) fds.push_back(layout.get());
  const bool content = profile.image.level == policy::ImageLevel::content;
  if (content) fds.push_back(rootfs);
  const Json request = {{"op", "image"},
                        {"digest", job.image_digest},
                        {"repository", job.image_repository},
                        {"level", to_string(profile.image.level)},
                        {"signers", TRY(signer_keys(runtime, profile))},
                        {"engineFiles", profile.image.engine_files},
                        {"mountPoints", mount_points}};
  const auto reply = TRY(sys::call_helper(runtime.program("casemate-verify"), request, fds,
                                          {.deadline = kImageDeadline}));
  return parse_verdict(reply.body, profile.image.level);
}

Status spend_nonce(Runtime& runtime, const policy::JobRequest& job) {
  const std::string path = runtime.config.paths.data + "/nonces";
  const UniqueFd directory = TRY(fs::make_directories(runtime.kernel, path, 0700));
  const open_how how{.flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
                     .mode = 0600,
                     .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
  auto file = runtime.kernel.openat2(directory.get(), job.nonce, how);
  if (!file && file.error().sys_errno == EEXIST)
    return denied("job.replayed", "job request " + job.nonce + " has been used on this host",
                  "let the scheduler sign a new request: each is good once", "/nonce");
  if (!file) return std::unexpected(std::move(file.error()));
  TRY(fs::write_all(runtime.kernel, file->get(), std::to_string(job.expires) + "\n"));
  return runtime.kernel.fsync(file->get());  // a power cut must not make it good again
}

}  // namespace casemate::run
