// Shared by the policy tests: the shipped profiles, the sample configurations, a job that fits.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include "policy/decide.h"
#include "shim/base/json.h"

namespace casemate::policy {

inline const std::filesystem::path kSource = CASEMATE_SOURCE_DIR;
inline const std::filesystem::path kSamples = kSource / "tests/golden/policy/samples";

inline std::string slurp(const std::filesystem::path& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

inline Json json_file(const std::filesystem::path& path) {
  return Json::parse(slurp(path));
}
inline Json profile_json(const std::string& name) {
  return json_file(kSource / "profiles" / (name + ".json"));
}
inline Json sample_json(const std::string& name) {
  return json_file(kSamples / (name + ".config.json"));
}

inline Profile profile_of(const Json& json) {
  auto profile = parse_profile(json.dump());
  EXPECT_TRUE(profile) << profile.error().message();
  return profile.value_or(Profile{});
}
inline oci::Spec spec_of(const Json& json) {
  auto spec = oci::parse_spec(json.dump());
  EXPECT_TRUE(spec) << spec.error().message();
  return spec.value_or(oci::Spec{});
}

inline HostFacts good_host() {
  HostFacts host;
  host.kernel_major = 6;
  host.kernel_minor = 1;
  host.cgroup = CgroupMode::v2;
  host.tmpfs_noswap = host.init_on_free = host.memfd_secret = true;
  return host;
}

// What the samples bind is there, and what is a file on a real host is one.
inline std::set<std::string> bound_files() {
  std::set<std::string> files = {"/srv/hosts"};
  for (const auto& sample : std::filesystem::directory_iterator(kSamples)) {
    const Json json = json_file(sample.path());
    for (const Json& mount : json.value("mounts", Json::array()))
      if (mount.value("type", "") == "bind" && mount["destination"] != "/dev/shm")
        files.insert(mount.value("source", ""));
  }
  return files;
}

// Docker's hook is listed and resolved, as on a configured host.
inline JobContext host_context() {
  static const std::set<std::string> kFiles = bound_files();
  JobContext context;
  context.regular_files = kFiles;
  context.hooks = {{"/usr/sbin/dockerd", std::nullopt}};
  context.resolved["/proc/6242/exe"] = "/usr/sbin/dockerd";
  return context;
}

inline JobRequest good_job() {
  JobRequest job;
  job.tenant = "acme";
  job.image_digest = "sha256:" + std::string(64, 'a');
  job.image_repository = "registry.example/acme/train";
  job.profile = "restricted";
  job.datasets = {{"digits", "/srv/digits.sealed", "/data"}};
  job.issued = 1'000'000;
  job.expires = 1'003'600;
  job.nonce = std::string(32, '0');
  return job;
}

// A verified image whose program is train.py, and a job for it.
inline JobContext job_context() {
  JobContext context = host_context();
  context.job = good_job();
  context.image = ImageConfig{};
  context.image->entrypoint = {"/usr/bin/python3"};
  context.image->cmd = {"/train.py"};
  context.image->env = {"PATH=/usr/bin:/bin", "MODE=fast"};
  context.image->working_dir = "/train";
  context.image->user = "1000:1000";
  return context;
}

// What Docker makes of that image.
inline Json job_config() {
  Json config = sample_json("docker20-default");
  auto& process = config["process"];
  process["args"] = {"/usr/bin/python3", "/train.py"};
  process["env"] = {"PATH=/usr/bin:/bin", "HOSTNAME=42c7081812cc", "MODE=fast"};
  process["cwd"] = "/train";
  process["user"] = {{"uid", 1000}, {"gid", 1000}};
  return config;
}

// A shipped profile and the request that fits it, each changed by a merge patch (RFC 7396).
inline Decision decide_profile(const char* name, const Json& patch, const Json& config_patch,
                               const JobContext& context, const HostFacts& host = good_host()) {
  Json profile = profile_json(name);
  if (!patch.is_null()) profile.merge_patch(patch);
  Json config =
      std::string_view(name) == "restricted" ? job_config() : sample_json("docker20-default");
  if (!config_patch.is_null()) config.merge_patch(config_patch);
  return decide(spec_of(config), profile_of(profile), host, context);
}

inline const Finding* find_rule(const Decision& decision, std::string_view rule) {
  for (const auto& finding : decision.findings)
    if (finding.rule == rule) return &finding;
  return nullptr;
}

inline std::string rules_of(const Decision& decision) {
  std::string out;
  for (const auto& f : decision.findings)
    out += std::string(to_string(f.outcome)) + " " + f.rule + " " + f.pointer + "; ";
  return out;
}

}  // namespace casemate::policy
