#include "policy/job_request.h"

#include <algorithm>

#include "policy/match.h"
#include "shim/base/clock.h"
#include "shim/base/encoding.h"
#include "shim/base/number.h"

namespace casemate::policy {
namespace {

bool plain_name(std::string_view text, std::size_t longest) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  return !text.empty() && text.size() <= longest && text.front() != '.' && text.front() != '-' &&
         std::ranges::all_of(text, plain);
}

Result<std::string> get_name(JsonObject& object, std::string_view key) {
  auto text = TRY(object.get<std::string>(key));
  if (!plain_name(text, 128))
    return bad_input("job.name", "\"" + printable(text) + "\"",
                     "use letters, digits, \".\", \"_\" and \"-\"", object.pointer_to(key));
  return text;
}

// host[:port]/path/name; no tag, no digest, no "..".
bool repository_shaped(std::string_view text) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-' ||
           c == '/';
  };
  const std::size_t slash = text.find('/');
  const std::string_view path = slash == std::string_view::npos ? text : text.substr(slash + 1);
  std::string host(slash == std::string_view::npos ? "" : text.substr(0, slash));
  std::ranges::replace(host, ':', '-');
  std::ranges::transform(host, host.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
  return !path.empty() && text.size() <= 255 && slash != 0 && !path.starts_with('/') &&
         !path.ends_with('/') && text.find("//") == std::string_view::npos &&
         text.find("..") == std::string_view::npos && std::ranges::all_of(path, plain) &&
         std::ranges::all_of(host, plain);
}

Result<std::string> get_path(JsonObject& object, std::string_view key) {
  auto text = TRY(object.get<std::string>(key));
  const bool printing =
      std::ranges::none_of(text, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
  if (!printing || !is_path_pattern(text) || text.ends_with("/*"))
    return bad_input("job.path", "\"" + printable(text) + "\"",
                     "write an absolute path without \"..\", \"//\" or a final slash",
                     object.pointer_to(key));
  return text;
}

Result<std::int64_t> get_time(JsonObject& object, std::string_view key) {
  const auto text = TRY(object.get<std::string>(key));
  auto time = parse_rfc3339(text);
  if (!time)
    return bad_input("job.time", "\"" + printable(text) + "\"",
                     "write it like 2026-01-02T03:04:05Z", object.pointer_to(key));
  return time;
}

Status check_env(const std::vector<std::string>& env, const std::string& pointer) {
  for (const auto& entry : env) {
    const std::size_t equals = entry.find('=');
    if (equals == 0 || equals == std::string::npos)
      return bad_input("job.env", "\"" + printable(entry) + "\"", "write NAME=VALUE", pointer);
  }
  return {};
}

std::optional<std::uint32_t> parse_id(std::string_view text) {
  const auto id = whole_number<std::uint32_t>(text);
  return id && *id <= INT32_MAX ? id : std::nullopt;
}

Result<JobUser> parse_user(JsonObject& object) {
  const auto text = TRY(object.get<std::string>("user"));
  const std::size_t colon = text.find(':');
  const auto uid = parse_id(std::string_view(text).substr(0, colon));
  const bool grouped = colon != std::string::npos;
  const auto gid = grouped ? parse_id(std::string_view(text).substr(colon + 1)) : std::nullopt;
  if (uid && grouped == gid.has_value()) return JobUser{*uid, gid};
  return bad_input("job.user", "\"" + printable(text) + "\"",
                   "write numbers, like 1000 or 1000:1000", object.pointer_to("user"));
}

std::string to_text(const JobUser& user) {
  return std::to_string(user.uid) + (user.gid ? ":" + std::to_string(*user.gid) : "");
}

Result<JobProcess> parse_process(JsonObject object) {
  JobProcess process;
  process.args = TRY(object.find<std::vector<std::string>>("args"));
  if (process.args && (process.args->empty() || process.args->front().empty()))
    return bad_input("job.args", "no program to run", "leave args out for the image's own",
                     object.pointer_to("args"));
  process.env = TRY(object.get_or<std::vector<std::string>>("env", {}));
  TRY(check_env(process.env, object.pointer_to("env")));
  if (object.has("cwd")) process.cwd = TRY(get_path(object, "cwd"));
  if (object.has("user")) process.user = TRY(parse_user(object));
  TRY(object.done());
  return process;
}

Result<std::vector<JobDataset>> parse_datasets(JsonObject& job) {
  std::vector<JobDataset> out;
  for (auto& object : TRY(job.objects("datasets"))) {
    JobDataset dataset;
    dataset.id = TRY(get_name(object, "id"));
    dataset.source = TRY(get_path(object, "source"));
    dataset.target = TRY(get_path(object, "target"));
    TRY(object.done());
    for (const auto& other : out)
      if (path_within(other.target, dataset.target) || path_within(dataset.target, other.target))
        return bad_input("job.target", "datasets " + other.id + " and " + dataset.id + " overlap",
                         "give each a target of its own", object.pointer_to("target"));
    out.push_back(std::move(dataset));
  }
  return out;
}

Status parse_image(JsonObject object, JobRequest& job) {
  job.image_digest = TRY(object.get<std::string>("digest"));
  if (!is_sha256_digest(job.image_digest))
    return bad_input("job.digest", "\"" + printable(job.image_digest) + "\"",
                     "write sha256: and 64 lower-case hex digits", object.pointer_to("digest"));
  job.image_repository = TRY(object.get<std::string>("repository"));
  if (!repository_shaped(job.image_repository))
    return bad_input("job.repository", "\"" + printable(job.image_repository) + "\"",
                     "write it like registry.example/acme/train, without a tag",
                     object.pointer_to("repository"));
  return object.done();
}

Status parse_lifetime(JsonObject& object, JobRequest& job) {
  job.issued = TRY(get_time(object, "issued"));
  job.expires = TRY(get_time(object, "expires"));
  if (job.expires <= job.issued)
    return bad_input("job.time", "it expires before it is issued", {},
                     object.pointer_to("expires"));
  job.nonce = TRY(object.get<std::string>("nonce"));
  if (job.nonce.size() != 32 ||
      job.nonce.find_first_not_of("0123456789abcdef") != std::string::npos)
    return bad_input("job.nonce", "\"" + printable(job.nonce) + "\"",
                     "write 32 lower-case hex digits", object.pointer_to("nonce"));
  return {};
}

Status parse_head(JsonObject& object, JobRequest& job) {
  const auto version = TRY(object.get<std::int64_t>("version"));
  if (version != 1)
    return bad_input("job.version", "job request version " + std::to_string(version),
                     "this casemate reads version 1", object.pointer_to("version"));
  job.tenant = TRY(get_name(object, "tenant"));
  job.profile = TRY(get_name(object, "profile"));
  const auto gpu = TRY(object.get_or<std::int64_t>("gpu", 0));
  if (gpu < 0 || gpu > 1)
    return bad_input("job.gpu", std::to_string(gpu) + " GPUs", "ask for 0 or 1",
                     object.pointer_to("gpu"));
  job.gpu = static_cast<int>(gpu);
  return {};
}

}  // namespace

Result<JobRequest> parse_job_request(std::string_view payload) {
  const Json json = TRY(parse_json(payload));
  auto object = TRY(JsonObject::of(json));
  JobRequest job;
  TRY(parse_head(object, job));
  auto image = TRY(object.object("image"));
  TRY(parse_image(image, job));
  if (auto process = TRY(object.find_object("process"))) job.process = TRY(parse_process(*process));
  job.datasets = TRY(parse_datasets(object));
  TRY(parse_lifetime(object, job));
  TRY(object.done());
  return job;
}

Json to_json(const JobRequest& job) {
  Json out = {{"version", 1},
              {"tenant", job.tenant},
              {"image", {{"digest", job.image_digest}, {"repository", job.image_repository}}},
              {"datasets", Json::array()},
              {"profile", job.profile},
              {"gpu", job.gpu},
              {"issued", rfc3339(job.issued)},
              {"expires", rfc3339(job.expires)},
              {"nonce", job.nonce}};
  for (const auto& dataset : job.datasets)
    out["datasets"].push_back(
        {{"id", dataset.id}, {"source", dataset.source}, {"target", dataset.target}});
  if (!job.process) return out;
  Json process = Json::object();
  if (job.process->args) process["args"] = *job.process->args;
  if (!job.process->env.empty()) process["env"] = job.process->env;
  if (job.process->cwd) process["cwd"] = *job.process->cwd;
  if (job.process->user) process["user"] = to_text(*job.process->user);
  out["process"] = std::move(process);
  return out;
}

Status check_times(const JobRequest& job, std::int64_t now_unix, std::int64_t skew_s) {
  if (now_unix + skew_s < job.issued)
    return denied("job.not-yet-valid", "the job request is issued at " + rfc3339(job.issued),
                  "check the clocks of scheduler and host", "/issued");
  if (now_unix - skew_s >= job.expires)
    return denied("job.expired", "the job request expired at " + rfc3339(job.expires),
                  "have the scheduler sign a new one", "/expires");
  return {};
}

}  // namespace casemate::policy
