// The way down, the same for the warden, the twin and reconcile(). Every step may have been done
// before, by somebody who died: each is idempotent.
#pragma once

#include <string>

#include "shim/warden/holdings.h"

namespace casemate::warden {

// Who does it and who is lost, as the receipt says it.
struct Survivors {
  bool warden = true;
  bool twin = true;
};

// Ends the job (init, the cgroups' processes), overwrites what is held and lets it go, removes the
// cgroups, writes audit record, receipt and the file "result", journals STOPPED and WIPED. Goes on
// after a failed step: what failed is in EndRecord::problem, and the receipt's "wiped" is null
// unless everything was overwritten. Returns an error only when WIPED could not be journalled.
Status finish(sys::Kernel& kernel, Holdings& holdings, Survivors survivors);

// After init was sent SIGKILL: should the job be paused, all of it is sent SIGKILL and thawed, for
// a v1 freezer holds even those that were killed, and nothing of the job runs again.
Status end_paused(sys::Kernel& kernel, const Holdings& holdings);

// For a create that never committed: ends and wipes the same, writes the audit record
// create.rollback, and removes the container's directory. That stays, for delete, when the job
// could not be ended, or when there may be a unit of systemd's.
Status roll_back(sys::Kernel& kernel, Holdings& holdings, const std::string& reason);

}  // namespace casemate::warden
