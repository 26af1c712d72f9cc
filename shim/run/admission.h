// admit: everything that is decided before anything is changed. Reads the bundle, verifies job and
// image, chooses the profile, decides, compiles the plan.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "policy/decision.h"
#include "policy/profile.h"
#include "shim/apply/host_paths.h"
#include "shim/cgroup/hierarchy.h"
#include "shim/oci/spec.h"
#include "shim/plan/plan.h"
#include "shim/run/joined_namespaces.h"
#include "shim/run/runtime.h"
#include "shim/run/verify.h"

namespace casemate::run {

struct CreateRequest {
  std::string id;
  std::string bundle;          // absolute
  std::string pid_file;        // empty: none
  std::string console_socket;  // path; empty: none
  bool own_terminal = false;   // without a console socket the caller relays the terminal itself
  int preserve_fds = 0;        // descriptors 3 … 3 + n - 1 go to the container
  int listen_fds = 0;          // the first of these are sd_listen_fds(3) ones
};

struct Admission {
  CreateRequest request;
  policy::Profile profile;
  std::string profile_digest;  // "sha256:…" of the profile's file
  policy::Decision decision;   // its spec is what runs
  std::optional<VerifiedJob> job;
  std::optional<VerifiedImage> image;
  plan::Plan plan;
  std::string plan_text;    // as it is stored
  std::string plan_digest;  // plan::digest_of() it
  apply::HostPaths paths;
  std::vector<JoinedNamespace> joined;  // those that the configuration names by path, opened
  std::vector<cgroup::Hierarchy> hierarchies;
  std::optional<plan::Scope> scope;  // with --systemd-cgroup

  // What the receipt says about all this (shim/evidence/receipt.h).
  Json receipt_facts(const Settings& settings) const;
};

// Absolute, at the top: the control group of a container that names none, and where its helpers'
// are. One level, since each directory costs in every hierarchy.
std::string own_cgroup(const Settings& settings, const std::string& id);

// Errors: denied with the rule that forbids it, bad_input, unsupported. Writes no record.
Result<Admission> admit(Runtime& runtime, const CreateRequest& request,
                        std::vector<cgroup::Hierarchy> hierarchies);

// The profile `name` from the last folder that has it (the administrator's wins over the vendor's).
struct LoadedProfile {
  policy::Profile profile;
  std::string digest;
};
Result<LoadedProfile> load_profile(Runtime& runtime, const std::string& name);

}  // namespace casemate::run
