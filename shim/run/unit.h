// systemd's side of a container whose control group is a unit's (--systemd-cgroup).
#pragma once

#include <optional>

#include "shim/cgroup/cgroup.h"
#include "shim/run/admission.h"
#include "shim/run/runtime.h"
#include "shim/systemd/manager.h"
#include "shim/warden/container_dir.h"

namespace casemate::run {

// The control group that init is born in.
struct JobCgroup {
  cgroup::Cgroup group;
  std::optional<sys::HeldHelper> keeper = {};  // of a scope: let go of once init is in it
};

systemd::Manager manager_of(const Runtime& runtime);

// The unit that the plan's cgroup step asks for, on record in the directory before systemd is asked
// for it: whoever is killed in between, delete knows what to end.
Result<systemd::Unit> record_unit(const Admission& admission, warden::ContainerDir& directory);
// Its scope, with its limits as far as systemd knows them; the group is what systemd made of it,
// and not limited by us yet.
Result<JobCgroup> start_scope(Runtime& runtime, const Admission& admission,
                              const warden::ContainerDir& directory, const systemd::Unit& unit);

// The container's unit, as create recorded it; nothing for a control group of our own.
Result<std::optional<systemd::Unit>> unit_of(warden::ContainerDir& directory);

// A change of limits that is in the files already: systemd is told of `written`, and since it
// writes to the files whatever it is told, with its rounding and its defaults, all that holds `now`
// is written once more and read back. On failure systemd is told again what was `before`.
struct LimitChange {
  const oci::Resources& before;
  const oci::Resources& written;
  const oci::Resources& now;
};
Status tell_unit(Runtime& runtime, const systemd::Unit& unit, cgroup::Cgroup& group,
                 const LimitChange& change);
// Back to `before`, in systemd alone.
Status untell_unit(Runtime& runtime, const systemd::Unit& unit, const LimitChange& change);

// After the wipe: nothing of the unit stays, whether it failed or never noticed that it is empty. A
// record that cannot be read names no unit.
Status end_unit(Runtime& runtime, warden::ContainerDir& directory);

}  // namespace casemate::run
