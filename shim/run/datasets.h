// Asks casemate-unseal to decrypt a job's datasets into detached tmpfs mounts.
#pragma once

#include <string>
#include <vector>

#include "policy/profile.h"
#include "shim/run/verify.h"

namespace casemate::run {

struct OpenedDataset {
  std::string id;
  UniqueFd holder;  // keeps the data and can overwrite it: for the warden
  UniqueFd mount;   // read-only clone: for the container
  Json facts;       // {id, serial, slot, bytes, …} for the receipt
};

// Precondition: job and image are verified; this is where keys are asked for.
Result<OpenedDataset> open_dataset(Runtime& runtime, const policy::JobDataset& dataset,
                                   const VerifiedJob& job, const std::string& image_signer,
                                   const policy::Profile& profile, const oci::Spec& spec);

}  // namespace casemate::run
