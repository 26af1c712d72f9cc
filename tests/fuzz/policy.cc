#include "policy/decide.h"
#include "policy/match.h"
#include "tests/fuzz/target.h"

namespace casemate::fuzz {
namespace {

void profile(std::string_view input) {
  const auto parsed = policy::parse_profile(input);
  if (!accepted(parsed)) return;
  static_cast<void>(policy::unsafe_fields(*parsed));
  expect(parsed->mode == policy::Mode::enforce || parsed->name == "lab",
         "only the profile lab lets pass what its rules deny");
}

void job(std::string_view input) {
  const auto parsed = policy::parse_job_request(input);
  if (!accepted(parsed)) return;
  const Json written = policy::to_json(*parsed);
  const auto again = policy::parse_job_request(dump(written));
  expect(again && policy::to_json(*again) == written,
         "a job request that was written is read back");
  if (const Status now = policy::check_times(*parsed, 1'700'000'000); !now) judge(now.error());
}

void host(std::string_view input) {
  const auto parsed = policy::parse_host_config(input);
  if (!accepted(parsed)) return;
  expect(!parsed->rules.empty() && parsed->rules.back().deny, "the last rule denies");
  static_cast<void>(accepted(policy::select_profile(*parsed, {})));
  policy::JobRequest request;
  request.tenant = parsed->tenants.empty() ? "acme" : parsed->tenants[0].name;
  request.image_repository = "registry.example/acme/train";
  request.profile = "restricted";
  static_cast<void>(accepted(policy::select_profile(*parsed, {.job = &request, .tenant = {}})));
}

// First line: a pattern; the rest: a name. An image reference's pattern is one of them.
void patterns(std::string_view input) {
  const auto line = std::min(input.find('\n'), input.size());
  const std::string_view pattern = input.substr(0, line);
  const std::string_view name = input.substr(std::min(line + 1, input.size()));
  const bool matches = policy::image_matches(pattern, name);
  expect(!matches || pattern == name || pattern.ends_with("/*"), "images: a word or a prefix");
  expect(!pattern.empty() || !matches, "an empty pattern matches no image");
  if (policy::is_path_pattern(pattern) && policy::path_matches(pattern, name))
    expect(pattern == name || name.size() > pattern.size() - 2, "below a folder is longer");
  if (policy::is_name_pattern(pattern) && policy::name_matches(pattern, name))
    expect(pattern == name || pattern.ends_with('*'), "names: a word or a prefix");
  static_cast<void>(policy::path_within(pattern, name));
}

std::vector<std::string> job_seeds() {
  policy::JobRequest job;
  job.tenant = "acme";
  job.image_digest = "sha256:" + std::string(64, 'a');
  job.image_repository = "registry.example/acme/train";
  job.process = policy::JobProcess{
      .args = std::vector<std::string>{"python3", "/train.py"}, .env = {"MODE=fast"}, .cwd = "/"};
  job.profile = "restricted";
  job.datasets = {{"digits", "/srv/digits.sealed", "/data"}};
  job.issued = 1'700'000'000;
  job.expires = 1'700'003'600;
  job.nonce = std::string(32, '0');
  return {dump(policy::to_json(job))};
}

const char* const kHost = R"({
  "version": 1, "paths": {"profiles": ["/usr/lib/casemate/profiles"], "state": "/run/casemate",
  "data": "/var/lib/casemate", "layouts": ["/var/lib/casemate/layouts"]},
  "signers": [{"name": "build", "key": "/etc/casemate/build.pub"}],
  "schedulers": [{"name": "slurm", "key": "/etc/casemate/slurm.pub", "tenants": ["acme"],
                  "profiles": ["restricted"], "images": ["registry.example/acme/*"]}],
  "tenants": [{"name": "acme", "keys": ["/etc/casemate/acme.pub"], "datasets": ["digits", "x-*"]}],
  "keys": [{"kid": "file:host-2026", "file": "/etc/casemate/host.jwk"}],
  "hooks": [{"path": "/usr/sbin/dockerd"}],
  "rules": [{"job": true, "tenants": ["acme"], "images": ["registry.example/acme/*"],
             "profile": "restricted"}, {"job": false, "profile": "baseline"}, {"deny": true}]
})";

const Target kTargets[] = {
    {.name = "policy.profile",
     .run = profile,
     .seeds = [] { return files("profiles/*.json"); },
     .json = true},
    {.name = "policy.job", .run = job, .seeds = job_seeds, .json = true},
    {.name = "policy.host",
     .run = host,
     .seeds = [] { return std::vector<std::string>{kHost}; },
     .json = true},
    {.name = "policy.patterns",
     .run = patterns,
     .seeds =
         [] {
           return std::vector<std::string>{"registry.example/acme/*\nregistry.example/acme/train",
                                           "/srv/*\n/srv/a", "LD_*\nLD_PRELOAD", "*\nx", "/*\n/"};
         }},
};

}  // namespace

std::span<const Target> policy_targets() {
  return kTargets;
}

}  // namespace casemate::fuzz
