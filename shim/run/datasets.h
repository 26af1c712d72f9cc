// Asks casemate-unseal to decrypt a job's datasets into detached tmpfs mounts.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "policy/profile.h"
#include "shim/run/verify.h"

namespace casemate::run {

struct OpenedDataset {
  std::string id;
  UniqueFd mount;  // read-only clone: for the container
  Json facts;      // {id, serial, slot, bytes, …} for the receipt
};

// Where the decrypting process works, and who holds what it fills.
struct DatasetPlace {
  std::vector<int> cgroups;  // of Cgroup::open_for_self(), and cgroup.procs of v2
  // Takes the empty mount ("holder": can overwrite it) before anything is decrypted into it.
  std::function<Status(UniqueFd holder)> hold;
};

// Precondition: job and image are verified; this is where keys are asked for.
Result<OpenedDataset> open_dataset(Runtime& runtime, const policy::JobDataset& dataset,
                                   const VerifiedJob& job, const std::string& image_signer,
                                   const policy::Profile& profile, const oci::Spec& spec,
                                   const DatasetPlace& place);

}  // namespace casemate::run
