#include "shim/run/container.h"

#include "shim/warden/holdings.h"
#include "shim/warden/journal.h"

namespace casemate::run {
namespace {

using warden::ContainerDir;

Result<Json> saved_cgroup(Runtime& runtime, ContainerDir& directory) {
  const auto holdings = TRY(warden::load_holdings(runtime.kernel, directory.fd(), directory.id()));
  if (holdings.cgroups.empty())
    return internal("cgroup.gone", "container " + directory.id() + " has no control group");
  // Held before it: the one in which the job's data was decrypted, which is gone.
  return holdings.cgroups.back().saved;
}

// Only what can be frozen is opened: `state` is called often.
Result<bool> is_frozen(Runtime& runtime, ContainerDir& directory) {
  const Json saved = TRY(saved_cgroup(runtime, directory));
  Json places = Json::array();
  for (const Json& place : saved.value("places", Json::array())) {
    const Json controllers = place.value("controllers", Json::array());
    const bool freezer =
        std::find(controllers.begin(), controllers.end(), "freezer") != controllers.end();
    if (freezer || place.value("v2", false)) places.push_back(place);
  }
  const auto group =
      TRY(cgroup::Cgroup::from_json(runtime.kernel, {{"places", std::move(places)}}));
  return group.frozen();
}

}  // namespace

Result<ContainerDir> find_container(Runtime& runtime, const std::string& id) {
  TRY(warden::check_id(id));
  return ContainerDir::open(runtime.kernel, runtime.config.paths.state, runtime.settings.root, id);
}

Result<Json> state_of(Runtime& runtime, ContainerDir& directory) {
  const warden::StateRecord record = TRY(directory.load_state());
  const warden::State journalled = TRY(warden::journal_state(runtime.kernel, directory.fd()));
  const bool alive = warden::process_alive(record.pid, record.pid_start_time);
  std::string_view status = warden::oci_status(journalled, alive);
  // One whose control group is being removed is on its way to "stopped".
  const bool may_be_paused = status == "created" || status == "running";
  if (may_be_paused && is_frozen(runtime, directory).value_or(false)) status = "paused";
  Json state = {{"ociVersion", record.oci_version},
                {"id", record.id},
                {"status", status},
                {"bundle", record.bundle},
                {"annotations", record.annotations}};
  state["pid"] = status == "stopped" ? 0 : record.pid;
  return state;
}

std::unexpected<Error> wrong_state(const std::string& id, const std::string& status,
                                   const char* wanted) {
  return bad_input("container.state", "container " + id + " is " + status + ", not " + wanted,
                   "see `casemate state " + id + "`");
}

std::unexpected<Error> not_running(const std::string& id, const std::string& why) {
  return bad_input("container.not-running", "container not running",
                   "the container " + id + " " + why);
}

Result<cgroup::Cgroup> cgroup_of(Runtime& runtime, ContainerDir& directory) {
  return cgroup::Cgroup::from_json(runtime.kernel, TRY(saved_cgroup(runtime, directory)));
}

Result<Locked> lock_living(Runtime& runtime, const std::string& id) {
  ContainerDir directory = TRY(find_container(runtime, id));
  auto lock = directory.lock();
  auto state = lock ? state_of(runtime, directory) : Result<Json>(Json::object());
  const int why = !lock ? lock.error().sys_errno : state ? 0 : state.error().sys_errno;
  // Removed while we waited for it, or its create has not come to writing a state.
  if (why == ENOENT) return not_running(id, "is not there yet, or not any more");
  if (!lock) return std::unexpected(std::move(lock.error()));
  if (!state) return std::unexpected(std::move(state.error()));
  const std::string status = state->value("status", "");
  if (status == "stopped") return not_running(id, "has ended");
  if (status == "creating") return wrong_state(id, status, "created or running");
  return Locked{std::move(directory), std::move(*lock), std::move(*state)};
}

}  // namespace casemate::run
