#include "shim/run/unit.h"

#include "shim/sys/random.h"
#include "shim/systemd/properties.h"

namespace casemate::run {
namespace {

Result<systemd::Properties> properties_of(const plan::CreateCgroup& step) {
  auto all = systemd::scope_properties(step.scope->slice);
  for (auto& one : TRY(systemd::limit_properties(step.resources))) all.push_back(std::move(one));
  for (auto& one : TRY(systemd::device_properties(step.resources.devices)))
    all.push_back(std::move(one));
  return all;
}

// Init is born beside the process that keeps the scope.
Status check_room(const oci::Resources& asked) {
  if (asked.pids_limit.value_or(0) != 1) return {};
  return unsupported("cgroup.systemd-pids", "a limit of one process in a unit of systemd's",
                     "allow two, or use the cgroupfs driver", "/linux/resources/pids/limit");
}

}  // namespace

systemd::Manager manager_of(const Runtime& runtime) {
  return systemd::Manager(runtime.program("casemate-systemd"));
}

Result<systemd::Unit> record_unit(const Admission& admission, warden::ContainerDir& directory) {
  systemd::Unit unit = {
      .name = admission.plan.find<plan::CreateCgroup>()->scope->unit,
      .description = "casemate container " + directory.id() + " " + TRY(sys::random_hex(8))};
  TRY(directory.save_unit(systemd::to_json(unit)));
  return unit;
}

Result<JobCgroup> start_scope(Runtime& runtime, const Admission& admission,
                              const warden::ContainerDir& directory, const systemd::Unit& unit) {
  const auto* step = admission.plan.find<plan::CreateCgroup>();
  TRY(check_room(step->resources));
  // With the life lock: delete waits for the end of whoever may ask. What he asked just before that
  // end systemd refuses, for the scope's first process is dead.
  auto started = TRY(manager_of(runtime).start(unit, TRY(properties_of(*step)), directory.fd()));
  if (started.control_group != step->path)
    return internal("systemd.control-group",
                    "systemd put " + step->scope->unit + " at \"" + started.control_group +
                        "\" and not at " + step->path,
                    "is the slice moved by a drop-in of its own?");
  return JobCgroup{
      .group = TRY(cgroup::Cgroup::adopt(runtime.kernel, admission.hierarchies, step->path)),
      .keeper = std::move(started.keeper)};
}

Result<std::optional<systemd::Unit>> unit_of(warden::ContainerDir& directory) {
  const auto stored = TRY(directory.load_unit());
  if (!stored) return std::nullopt;
  return TRY(systemd::unit_from_json(*stored));
}

Status tell_unit(Runtime& runtime, const systemd::Unit& unit, cgroup::Cgroup& group,
                 const LimitChange& change) {
  Status told = manager_of(runtime).set(unit, TRY(systemd::limit_properties(change.written)));
  if (told) told = group.limit(change.now);
  if (told) told = group.check_limits(change.now);
  if (!told) static_cast<void>(untell_unit(runtime, unit, change));
  return told;
}

Status untell_unit(Runtime& runtime, const systemd::Unit& unit, const LimitChange& change) {
  const auto told = TRY(systemd::limit_properties(change.written));
  const auto before = TRY(systemd::limit_properties(change.before));
  return manager_of(runtime).set(unit, systemd::reverted(told, before));
}

Status end_unit(Runtime& runtime, warden::ContainerDir& directory) {
  const auto unit = unit_of(directory);
  return unit && *unit ? manager_of(runtime).stop(**unit) : Status();
}

}  // namespace casemate::run
