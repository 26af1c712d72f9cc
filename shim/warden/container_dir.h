// The directory of one container: <state>/<first 16 hex digits of sha256(--root)>/<id>/, mode 0700.
// The same id may live under several roots (moby, default, k8s.io).
//   journal     journal.h
//   state.json  StateRecord
//   plan.json   the plan that was applied
//   unit        systemd's unit, of a container that has one; written before systemd is asked for it
//   holds.json  what the warden holds, for reconcile()
//   result      exit code and wipe figures, written when the container has ended
//   control     the warden's socket, 0600
//   notify/     where `start` listens for sd_notify(3), mounted into a container that has it
//   lock        flock(2): one command at a time
//
// The life lock is a flock(2) on the directory itself. Its open file description is handed from the
// creating CLI to the warden and the twin, so it is held exactly as long as one of them lives: no
// pid is compared. Children that are to outlive them (init) must close the descriptor.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shim/base/json.h"
#include "shim/base/result.h"
#include "shim/base/unique_fd.h"
#include "shim/sys/kernel.h"

namespace casemate::warden {

// bad_input "container.id" unless 1–255 characters of [A-Za-z0-9_+.-], not "." and not "..".
Status check_id(std::string_view id);

struct StateRecord {
  std::string oci_version;
  std::string id;
  std::string bundle;                // absolute
  std::string created;               // RFC 3339
  pid_t pid = 0;                     // init in the host's pid namespace; 0 before it exists
  std::uint64_t pid_start_time = 0;  // field 22 of /proc/PID/stat
  pid_t warden_pid = 0;
  pid_t twin_pid = 0;
  std::string plan_digest;  // "sha256:…"
  std::map<std::string, std::string> annotations;
  Json extra = Json::object();  // further facts of the run stages; kept as they are

  Json to_json() const;
  static Result<StateRecord> from_json(const Json& value);
};

// What the warden (or the twin) found at the end; the file "result".
struct EndRecord {
  std::optional<int> exit_code;  // as a shell shows it: 128 + signal; absent when unknown
  std::uint64_t wiped_bytes = 0;
  std::uint64_t wiped_files = 0;
  double wipe_seconds = 0;
  std::string receipt;  // path; empty when none could be written
  std::string problem;  // why something is missing; empty when all went well

  Json to_json() const;
  static Result<EndRecord> from_json(const Json& value);
};

class ContainerDir {
 public:
  // Makes the directory, holding the life lock. bad_input "container.exists" when the id is taken;
  // a directory that a dead `create` left behind before a warden held anything is taken over.
  static Result<ContainerDir> create(sys::Kernel& kernel, const std::string& state_path,
                                     std::string_view root, std::string_view id);
  // bad_input "container.unknown" when there is none. Takes no lock.
  static Result<ContainerDir> open(sys::Kernel& kernel, const std::string& state_path,
                                   std::string_view root, std::string_view id);
  // Ids under `root`, sorted; empty when there is none.
  static Result<std::vector<std::string>> list(sys::Kernel& kernel, const std::string& state_path,
                                               std::string_view root);
  // Adopts a descriptor of the directory itself (the warden's case): everything but remove() works.
  static ContainerDir adopt(sys::Kernel& kernel, UniqueFd dir, std::string id);

  int fd() const { return dir_.get(); }
  const std::string& id() const { return id_; }

  // Keeps the directory open without the life lock: warden and twin have it now, and whoever waits
  // for their end must not hold it himself.
  Status let_go_of_life_lock();

  // Waits for the command lock, released when the returned descriptor is closed. ENOENT: the
  // directory is being removed, or was never finished.
  Result<UniqueFd> lock();
  // Whether a creating CLI, a warden or a twin is alive. Asks by a descriptor of its own.
  Result<bool> alive();

  Status save_state(const StateRecord& record);
  // bad_input "container.unmade", with ENOENT, before there is one.
  Result<StateRecord> load_state();
  // The text of the plan: its digest is that of these bytes.
  Status save_plan(std::string_view text);
  Result<std::string> load_plan();
  Status save_unit(const Json& unit);
  Result<std::optional<Json>> load_unit();  // nothing for a control group of our own
  Status save_result(const EndRecord& record);
  Result<std::optional<EndRecord>> load_result();  // nothing before the end

  // Errors of the loads above name the file; one that another user than root could have written is
  // denied "host.file-owner".

  // Removes the files and the directory. What is gone already is no error.
  Status remove();

 private:
  ContainerDir(sys::Kernel& kernel, UniqueFd parent, UniqueFd dir, std::string id)
      : kernel_(&kernel), parent_(std::move(parent)), dir_(std::move(dir)), id_(std::move(id)) {}

  Result<std::string> load_text(const char* name);
  Result<Json> load_file(const char* name);

  sys::Kernel* kernel_;
  UniqueFd parent_;
  UniqueFd dir_;
  std::string id_;
};

// Start time of a process (field 22 of /proc/PID/stat, clock ticks since boot), which together with
// the pid names one process for ever. 0 when there is none.
std::uint64_t process_start_time(pid_t pid);
// Whether the process (pid, start time) exists and is not a zombie.
bool process_alive(pid_t pid, std::uint64_t start_time);

}  // namespace casemate::warden
