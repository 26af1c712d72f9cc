// Cgroup: one container's (or helper's) control group, the same path in every hierarchy. It is held
// by descriptors, each verified to be on a cgroup file system and reached by openat2(BENEATH) from
// the mount point, so no later rename, mount or symbolic link can redirect a write.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shim/base/json.h"
#include "shim/base/result.h"
#include "shim/base/unique_fd.h"
#include "shim/cgroup/devices.h"
#include "shim/cgroup/hierarchy.h"
#include "shim/cgroup/oom.h"
#include "shim/cgroup/settings.h"
#include "shim/oci/spec.h"
#include "shim/sys/kernel.h"

namespace casemate::cgroup {

class Cgroup {
 public:
  // Makes the leaf in every hierarchy. `cgroups_path` is the OCI one (never empty; the caller has a
  // default): absolute paths begin at the mount's root, relative ones below the caller's own cgroup
  // (with v2 alone: beside it, for a v2 cgroup with processes has no controllers to give), as runc
  // does. Refused: ".." and "/" (bad_input "cgroup.path"), slice:prefix:name (unsupported
  // "cgroup.systemd"), a leaf with processes in it (denied "cgroup.busy"). An empty leaf that was
  // left behind is removed and made anew, so no setting of others survives and the call may be
  // repeated after a crash. On failure the leaves made so far are removed again.
  // `kernel` must outlive the object.
  static Result<Cgroup> create(sys::Kernel& kernel, const std::vector<Hierarchy>& hierarchies,
                               std::string_view cgroups_path);
  // The group of a unit of systemd's, an absolute path of v2: it has processes, and it is systemd's
  // to remove once it has none. unsupported "cgroup.systemd-v1" unless v2 is all there is.
  static Result<Cgroup> adopt(sys::Kernel& kernel, const std::vector<Hierarchy>& hierarchies,
                              std::string_view path);
  // What create() of the same arguments would have made, as far as it exists: for the clean-up of a
  // create that died after it journalled the path.
  static Result<Cgroup> find(sys::Kernel& kernel, const std::vector<Hierarchy>& hierarchies,
                             std::string_view cgroups_path);

  // For state files and other processes. A leaf that is gone, or that was made anew by somebody
  // else (another inode), is not ours any more: it is skipped by processes, kill_all and remove;
  // the other calls fail with internal "cgroup.gone".
  Json to_json() const;
  static Result<Cgroup> from_json(sys::Kernel& kernel, const Json& saved);

  // From here on the group is one that exists below it, as path_below() (paths.h) chooses. For a
  // process that joins; never for clean-up. bad_input "cgroup.below" when there is none, or no v1
  // hierarchy of a controller that is named.
  Status descend(const std::map<std::string, std::string>& below);

  // Moves a process (all its threads) into every hierarchy; check_member reads it back
  // (internal "cgroup.readback").
  Status join(pid_t pid);
  // The same, quicker (0.2 ms instead of up to 12): moving another process, or a whole thread
  // group, waits for an RCU grace period; a thread that moves itself does not. The parent opens the
  // files, the child (single-threaded, before or after it has given up its privileges) calls
  // join_self. In v2 only whole processes move: the child is made with CLONE_INTO_CGROUP (v2_fd)
  // instead, or, with `and_v2`, waits for that grace period all the same.
  Result<std::vector<UniqueFd>> open_for_self(bool and_v2 = false) const;
  static Status join_self(sys::Kernel& kernel, std::span<const UniqueFd> files);
  Status check_member(pid_t pid) const;

  // Writes what `asked` holds and nothing else; may be repeated with other values (update). Call it
  // before join(). Zero means unset where engines send zero for "not asked". Errors: unsupported
  // "cgroup.no-controller" (names the controller or file that this host lacks), unsupported
  // "cgroup.v2-unsupported" (the setting exists only in v1), bad_input "cgroup.limit" (malformed
  // or refused by the kernel).
  Status limit(const oci::Resources& asked);
  // The values of limit() as the kernel has them now: {"memory.limit_in_bytes": {"asked": "64",
  // "observed": "0", "holds": false}, …}.
  Result<Json> observe(const oci::Resources& asked) const;
  // internal "cgroup.readback", naming the files, unless every value of observe() holds.
  Status check_limits(const oci::Resources& asked) const;

  // For a container that runs: all of `asked` holds afterwards, as read back, or the error of
  // limit() or check_limits() comes and the values of before hold again; the hint says so, or what
  // stands. Not for device rules, nor for tables by device but "unified" ones.
  struct Undo {
    oci::Resources asked;
    std::vector<std::string> values;  // of the files that `asked` is written to
  };
  Result<Undo> change(const oci::Resources& asked);
  // internal "cgroup.restore" with what stands instead.
  Status undo(const Undo& before);

  // Figures of use in the shape of runc's `events` ("data" of a stats event). What this host does
  // not count is absent or zero, as there.
  Result<Json> statistics() const;

  // Waits (2 s at most) until the kernel says that all is frozen or thawed; internal
  // "cgroup.freeze" otherwise. unsupported "cgroup.no-controller" without a freezer.
  Status freeze(bool frozen);
  Result<bool> frozen() const;
  // freeze(false) if frozen. A group without a freezer, or one that goes meanwhile, is success.
  Status thaw();

  // Process ids in the leaf and in all cgroups below it, in any hierarchy; sorted, unique; as seen
  // from the caller's pid namespace.
  Result<std::vector<pid_t>> processes() const;
  // Ends every process and waits until none is left; internal "cgroup.kill" at the deadline. Thaws.
  Status kill_all(std::chrono::milliseconds deadline);
  // Sends a signal to every process (kill --all).
  Status signal_all(int signal);

  // Tells of processes that the kernel ended for want of memory; see oom.h.
  Result<OomWatch> watch_oom() const;

  // Removes the leaf and what is below it in every hierarchy. Absent is success. EBUSY (the
  // kernel may still be taking the last process down) is retried for a second; then internal
  // "cgroup.busy". Parents stay, as with runc: engines own them. An adopted one is left to systemd
  // for two seconds first: who takes it away before systemd has seen it empty leaves a unit behind.
  Status remove();
  // Removes those parents that this create() made, when they are empty. For casemate's own paths.
  void remove_made_parents();

  // Descriptor of the v2 leaf for CLONE_INTO_CGROUP and statistics, or -1. Owned here.
  int v2_fd() const;
  // Absolute path of the leaf in the hierarchy of a controller ("" is v2), or empty: for
  // statistics and for bind mounts of the container's own cgroup.
  std::string path(std::string_view controller) const;

 private:
  struct Place {
    Hierarchy hierarchy;
    std::string path;  // below the mount point, without a leading slash
    UniqueFd mount;    // O_PATH
    UniqueFd leaf;     // O_RDONLY|O_DIRECTORY; empty when gone
    std::uint64_t device = 0, inode = 0;
    unsigned made_parents = 0;  // how many of the innermost parents create() made
    bool managed = false;       // by systemd: adopted
  };

  explicit Cgroup(sys::Kernel& kernel) : kernel_(&kernel) {}
  static Result<Cgroup> prepare(sys::Kernel& kernel, const std::vector<Hierarchy>& hierarchies,
                                std::string_view cgroups_path);
  Result<UniqueFd> make_parents(Place& place);
  Status make_leaf(Place& place, int parent);
  Status make(Place& place);
  Status open_leaf(Place& place);
  Status inherit_cpuset(const Place& place, const std::string& path);
  Status enable_controllers(const Place& place, const std::vector<std::string>& names);
  Status remove_place(Place& place);
  Result<bool> has_its_name(const Place& place) const;
  Status remove_leaf(const Place& place);
  void await_manager(Place& place);

  const Place* place_of(std::string_view controller) const;
  Status require_present() const;
  struct Target {
    const Place* place;
    Setting setting;
    std::string v2_controller;
  };
  Result<std::vector<Target>> targets(const oci::Resources& asked) const;
  Status check_usage(const oci::Resources& asked) const;
  Status write_targets(std::vector<Target> targets);
  Result<std::vector<std::string>> present_values(const std::vector<Target>& all) const;
  void write_back(const std::vector<Target>& all, const std::vector<std::string>& values);
  Status write_one(const Target& target) const;
  Result<std::string> read_one(const Target& target) const;
  Result<const Place*> devices_place() const;
  static Attached others_of(const Place& place);
  Result<const Place*> freezer() const;
  Result<bool> is_frozen(const Place& place, bool wholly) const;
  Status set_frozen(const Place& place, bool wanted);
  Status await_frozen(const Place& place, bool wanted, std::chrono::milliseconds patience);
  Status kill_frozen();
  bool kill_by_file();
  Result<bool> becomes_empty(std::chrono::milliseconds patience) const;

  sys::Kernel* kernel_;
  std::vector<Place> places_;
};

}  // namespace casemate::cgroup
