#include "shim/systemd/manager.h"

#include <fcntl.h>

namespace casemate::systemd {
namespace {

using std::chrono::milliseconds;

// The helper's own deadline for systemd's job is shorter, so that it can say what it waited for.
constexpr milliseconds kDeadline{30'000};

std::unexpected<Error> malformed() {
  return internal("systemd.reply", "casemate-systemd's answer makes no sense",
                  "are the runtime and its helpers of the same version?");
}

}  // namespace

bool is_booted(sys::Kernel& kernel) {
  const auto folder = kernel.fstatat(AT_FDCWD, "/run/systemd/system", AT_SYMLINK_NOFOLLOW);
  return folder && S_ISDIR(folder->st_mode);
}

Status check_host(bool booted, const std::vector<cgroup::Hierarchy>& hierarchies) {
  if (!booted) {
    return unsupported("cgroup.systemd-absent",
                       "--systemd-cgroup on a host that systemd does not run",
                       "there is no /run/systemd/system: configure the engine's cgroupfs driver");
  }
  if (hierarchies.size() == 1 && hierarchies.front().v2) return {};
  return unsupported("cgroup.systemd-v1", "--systemd-cgroup on a host with cgroup v1",
                     "boot with systemd.unified_cgroup_hierarchy=1, or configure the engine's "
                     "cgroupfs driver");
}

Json to_json(const Unit& unit) {
  return {{"name", unit.name}, {"description", unit.description}};
}

Result<Unit> unit_from_json(const Json& json) {
  auto object = TRY(JsonObject::of(json));
  Unit unit;
  unit.name = TRY(object.get<std::string>("name"));
  unit.description = TRY(object.get<std::string>("description"));
  TRY(object.done());
  return unit;
}

Result<Manager::Started> Manager::start(const Unit& unit, const Properties& properties,
                                        int lock) const {
  const Json request = {{"op", "start"},
                        {"unit", unit.name},
                        {"description", unit.description},
                        {"properties", to_json(properties)}};
  auto keeper = TRY(sys::HeldHelper::start(program_, request, {&lock, 1}, kDeadline));
  const Json given = keeper.given();
  auto object = JsonObject::of(given);
  if (!object) return malformed();
  Started started{.keeper = std::move(keeper), .control_group = {}};
  started.control_group = TRY(object->get<std::string>("controlGroup"));
  TRY(object->done());
  return started;
}

Status Manager::set(const Unit& unit, const Properties& properties) const {
  if (properties.empty()) return {};
  const Json request = {{"op", "set"},
                        {"unit", unit.name},
                        {"description", unit.description},
                        {"properties", to_json(properties)}};
  TRY(sys::call_helper(program_, request, {}, {.deadline = kDeadline}));
  return {};
}

Status Manager::stop(const Unit& unit) const {
  const Json request = {{"op", "stop"}, {"unit", unit.name}, {"description", unit.description}};
  TRY(sys::call_helper(program_, request, {}, {.deadline = kDeadline}));
  return {};
}

}  // namespace casemate::systemd
