// The payload of a signed job request (docs: DESIGN "The job request"). Parsing is pure; the JWS
// signature is verified before by the caller, the times and permissions here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shim/base/json.h"
#include "shim/base/result.h"

namespace casemate::policy {

struct JobUser {
  std::uint32_t uid = 0;
  std::optional<std::uint32_t> gid;  // absent: any that the profile allows
};

struct JobProcess {
  std::optional<std::vector<std::string>> args;  // absent: the image's entrypoint and cmd
  std::vector<std::string> env;                  // "K=V", added to or replacing the image's
  std::optional<std::string> cwd;
  std::optional<JobUser> user;  // "UID" or "UID:GID"; absent: the image's
};

struct JobDataset {
  std::string id;      // [A-Za-z0-9._-], as the sealed header names it
  std::string source;  // absolute host path of the sealed file
  std::string target;  // absolute path in the container, normalised
};

struct JobRequest {
  std::string tenant;
  std::string image_digest;      // manifest digest, "sha256:…"
  std::string image_repository;  // "registry.example/acme/train", without tag or digest
  std::optional<JobProcess> process;
  std::vector<JobDataset> datasets;
  std::string profile;
  int gpu = 0;              // GPUs asked for: 0 or 1
  std::int64_t issued = 0;  // seconds since the epoch
  std::int64_t expires = 0;
  std::string nonce;  // 32 lower-case hex digits; the caller remembers those used
};

// bad_input (rules "json.*", "job.*").
Result<JobRequest> parse_job_request(std::string_view payload);
// The payload that parse_job_request reads back to an equal request (for `casectl job sign`).
Json to_json(const JobRequest& job);

// denied "job.expired" or "job.not-yet-valid". `skew_s`: tolerated difference of the clocks.
Status check_times(const JobRequest& job, std::int64_t now_unix, std::int64_t skew_s = 60);

}  // namespace casemate::policy
