#include "shim/run/container.h"

#include <algorithm>

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
  return holdings.cgroups.back();
}

// Only what can be frozen is opened: `state` is called often.
Result<bool> is_frozen(Runtime& runtime, ContainerDir& directory) {
  const Json saved = TRY(saved_cgroup(runtime, directory));
  auto object = TRY(JsonObject::of(saved));
  Json places = Json::array();
  for (JsonObject& place : TRY(object.objects("places"))) {
    const auto controllers = TRY(place.get<std::vector<std::string>>("controllers"));
    const bool freezer = std::ranges::find(controllers, "freezer") != controllers.end();
    if (freezer || TRY(place.get<bool>("v2"))) places.push_back(place.raw());
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

Result<std::string> status_by(Runtime& runtime, ContainerDir& directory,
                              const warden::StateRecord& record) {
  const warden::State journalled = TRY(warden::journal_state(runtime.kernel, directory.fd()));
  const bool alive = warden::process_alive(record.pid, record.pid_start_time);
  return std::string(warden::oci_status(journalled, alive));
}

Result<Json> state_of(Runtime& runtime, ContainerDir& directory) {
  const warden::StateRecord record = TRY(directory.load_state());
  std::string status = TRY(status_by(runtime, directory, record));
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

std::string text_at(const Json& stored, const char* key) {
  const auto at = stored.find(key);  // in what is no object nothing is found
  return at != stored.end() && at->is_string() ? at->get<std::string>() : std::string();
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

namespace {

// The state of one that has a first process.
Result<Json> living_state(Runtime& runtime, ContainerDir& directory) {
  const std::string& id = directory.id();
  auto state = state_of(runtime, directory);
  // Removed while we looked, or its create has not come to writing a state.
  if (!state && state.error().sys_errno == ENOENT)
    return not_running(id, "is not there yet, or not any more");
  if (!state) return state;
  const std::string status = state->value("status", "");
  if (status == "stopped") return not_running(id, "has ended");
  if (status == "creating") return wrong_state(id, status, "created or running");
  return state;
}

}  // namespace

Result<Locked> lock_living(Runtime& runtime, const std::string& id) {
  ContainerDir directory = TRY(find_container(runtime, id));
  // Before the lock, whose file must not be made in a directory that is being removed, and under
  // it.
  TRY(living_state(runtime, directory));
  auto lock = TRY(directory.lock());
  Json state = TRY(living_state(runtime, directory));
  return Locked{std::move(directory), std::move(lock), std::move(state)};
}

bool was_undone(Runtime& runtime, ContainerDir& directory) {
  const auto record = directory.load_state();
  if (record || record.error().sys_errno != ENOENT) return false;
  const auto journalled = warden::journal_state(runtime.kernel, directory.fd());
  return journalled && warden::reached(*journalled, warden::State::wiped);
}

}  // namespace casemate::run
