// Asks casemate-verify, the confined helper, about signatures and content. See docs/IMAGE-TRUST.md.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "policy/decide.h"
#include "policy/job_request.h"
#include "policy/profile.h"
#include "shim/run/runtime.h"

namespace casemate::run {

struct VerifiedJob {
  policy::JobRequest request;
  std::string scheduler;
};

struct VerifiedImage {
  std::string digest;
  std::string signer;
  policy::ImageLevel level = policy::ImageLevel::none;
  policy::ImageConfig config;
  std::uint64_t bytes = 0;  // hashed
};

// The signature, the times, what its scheduler may ask. The nonce is not looked at.
Result<VerifiedJob> verify_job(Runtime& runtime, const std::string& jws);

// `rootfs` is a descriptor of the bundle's root directory. `mount_points`: what the engine's mounts
// may have created there.
Result<VerifiedImage> verify_image(Runtime& runtime, const policy::JobRequest& job,
                                   const policy::Profile& profile, int rootfs,
                                   const std::vector<std::string>& mount_points);

// Fills uid and gid from `user` when it is numeric ("1000", "1000:1000", ""); a name stays
// unresolved and the policy says so.
void resolve_user(policy::ImageConfig& config);

// A job request is good once: remembers its nonce, or denied "job.replayed".
Status spend_nonce(Runtime& runtime, const policy::JobRequest& job);

}  // namespace casemate::run
