// systemd as the manager of a container's control group, asked through casemate-systemd: the one
// program that loads libsystemd (shim/systemd/helper), started for one question.
//
//   runtime                            casemate-systemd                systemd
//    | start {unit, properties} ----------->| StartTransientUnit ------->|
//    |                                        |<-- JobRemoved "done" ----| helper is in the scope
//    |<-- take {controlGroup} ----------------|                          |
//    | adopts and limits the group; clone3 of init into it               |
//    x (kills the helper)                                                | init is in the scope
//
// A scope lives as long as a process is in it and must have one from the start. That is the helper,
// and not init: init then is born in a group whose limits stand, as without systemd, and should the
// runtime die at any point, its helper dies with it and systemd takes the empty scope away. Where
// it does not, because the helper died while systemd was about to move it, delete ends the unit.
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

// A unit of ours. The name may be another's by now; the description, which we choose before there
// is a unit, is no other's.
struct Unit {
  std::string name;
  std::string description;
};
Json to_json(const Unit& unit);
Result<Unit> unit_from_json(const Json& json);

class Manager {
 public:
  // `program`: casemate-systemd, absolute.
  explicit Manager(std::string program) : program_(std::move(program)) {}

  struct Started {
    sys::HeldHelper keeper;     // the scope's first process, until this object goes
    std::string control_group;  // "/system.slice/docker-ID.scope"
  };
  // denied "cgroup.busy" when a unit of that name exists; unsupported "systemd.description" when a
  // drop-in replaces the description that we know the unit by.
  // `properties` without its description. The helper keeps a copy of `lock` as long as it may ask
  // systemd for anything.
  Result<Started> start(const Unit& unit, const Properties& properties, int lock) const;
  // Runtime properties: they end with the unit. internal "systemd.gone" when it is gone.
  Status set(const Unit& unit, const Properties& properties) const;
  // Stops the unit, waits for that, and forgets that it failed. One that is gone is success.
  Status stop(const Unit& unit) const;

 private:
  std::string program_;
};

}  // namespace casemate::systemd
