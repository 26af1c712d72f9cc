// The host's configuration, casemate.json: whom to trust, which rules choose the profile. Strict
// JSON; pure (the caller reads the file with fs::read_trusted_file).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/job_request.h"
#include "shim/base/result.h"

namespace casemate::policy {

struct HostPaths {
  std::vector<std::string> profiles = {"/usr/lib/casemate/profiles", "/etc/casemate/profiles.d"};
  std::string state = "/run/casemate";
  std::string data = "/var/lib/casemate";
  std::vector<std::string> layouts = {"/var/lib/casemate/layouts"};
};

struct Signer {  // of images
  std::string name;
  std::string key;  // PEM file, ECDSA P-256
};

// Image patterns: a repository, or a prefix that ends in "/*" (everything below it).
struct Scheduler {
  std::string name;
  std::string key;  // PEM file, P-256 or Ed25519
  std::vector<std::string> tenants, profiles, images;
};

struct Tenant {
  std::string name;
  std::vector<std::string> keys;      // PEM files: who may sign a dataset header for the tenant
  std::vector<std::string> datasets;  // ids, exact or a prefix and a final "*"
};

struct KeySlot {
  std::string kid;   // "file:host-2026"
  std::string file;  // private JWK
};

struct HookProgram {
  std::string path;                   // of the host, absolute
  std::optional<std::string> sha256;  // 64 hex digits
};

struct SelectionRule {
  std::optional<bool> job;           // absent: either
  std::vector<std::string> tenants;  // absent (empty, with has_tenants false): any
  std::vector<std::string> images;
  bool has_tenants = false;
  bool has_images = false;
  std::string profile;  // empty when deny
  bool deny = false;
};

struct HostConfig {
  HostPaths paths;
  std::vector<Signer> signers;
  std::vector<Scheduler> schedulers;
  std::vector<Tenant> tenants;
  std::vector<KeySlot> keys;
  std::vector<HookProgram> hooks;
  std::vector<SelectionRule> rules;  // first match; the last is a deny without conditions

  const Scheduler* scheduler(std::string_view name) const;  // nullptr when unknown
  const Signer* signer(std::string_view name) const;
  const Tenant* tenant(std::string_view name) const;
  const KeySlot* key(std::string_view kid) const;
};

// bad_input (rules "json.*", "host.*").
Result<HostConfig> parse_host_config(std::string_view json);

// What a rule may look at: the verified job request, or what root's runtime arguments say. Never
// anything that an image, a label or an annotation sets.
struct Selection {
  const JobRequest* job = nullptr;  // verified, or none
  std::string tenant;               // of the runtime's arguments; a job's own counts before it
};

// The name of the profile, or denied "selection.denied" (no rule lets it run) or
// "selection.profile" (the job asks for another profile than the rules give it).
Result<std::string> select_profile(const HostConfig& config, const Selection& selection);

// May this scheduler sign for that tenant, image and profile? denied "job.scheduler", "job.tenant",
// "job.image" or "job.profile".
Status scheduler_may(const HostConfig& config, std::string_view scheduler, const JobRequest& job);

// denied "dataset.tenant": the tenant is unknown or the dataset is not one of his.
Status tenant_may_use(const HostConfig& config, std::string_view tenant, std::string_view dataset);

// `pattern` "registry.example/acme/*" or exact. No other wildcard; an empty pattern matches
// nothing.
bool image_matches(std::string_view pattern, std::string_view repository);

}  // namespace casemate::policy
