// systemd as the manager of a container's control group, asked through casemate-systemd: the one
// program that loads libsystemd (shim/systemd/helper), started for one question.
//
//   runtime                            casemate-systemd                systemd
//    | start {unit, properties} ----------->| StartTransientUnit ------->|
//    |                                      |<-- JobRemoved "done" ------| the helper is in the
//    scope
//    |<-- take {controlGroup, invocation} --|                            |
//    | adopts and limits the group; clone3 of init into it               |
//    x (kills the helper)                                                | init is in the scope
//
// A scope lives as long as a process is in it and must have one from the start. That is the helper,
// and not init: init then is born in a group whose limits stand, as without systemd, and should the
// runtime die at any point, its helper dies with it and the empty scope is taken away by systemd:
// there is no unit to be forgotten.
#pragma once

#include <string>

#include "shim/base/result.h"
#include "shim/cgroup/hierarchy.h"
#include "shim/plan/plan.h"
#include "shim/sys/helper.h"
#include "shim/sys/kernel.h"
#include "shim/systemd/properties.h"

namespace casemate::systemd {

// Whether systemd is pid 1 here, as sd_booted(3) finds out.
bool is_booted(sys::Kernel& kernel);
// unsupported "cgroup.systemd-absent" unless it is; unsupported "cgroup.systemd-v1" on a host with
// hierarchies of cgroup v1, which systemd itself has given up since 256. Pure.
Status check_host(bool booted, const std::vector<cgroup::Hierarchy>& hierarchies);

// A unit of ours: the name may be another's by now, the invocation never is (sd_id128(3),
// hexadecimal).
struct Unit {
  std::string name;
  std::string invocation;
};
Json to_json(const Unit& unit);
// Nothing for null.
Result<std::optional<Unit>> unit_from_json(const Json& json);

class Manager {
 public:
  // `program`: casemate-systemd, absolute.
  explicit Manager(std::string program) : program_(std::move(program)) {}

  struct Started {
    sys::HeldHelper keeper;  // the scope's first process, until this object goes
    Unit unit;
    std::string control_group;  // "/system.slice/docker-ID.scope"
  };
  // denied "cgroup.busy" when a unit of that name exists.
  Result<Started> start(const plan::Scope& scope, const Properties& properties) const;
  // Runtime properties: they end with the unit. internal "systemd.gone" when it is gone.
  Status set(const Unit& unit, const Properties& properties) const;
  // Stops the unit, waits for that, and forgets that it failed. One that is gone is success.
  Status stop(const Unit& unit) const;

 private:
  std::string program_;
};

}  // namespace casemate::systemd
