// The Plan: everything that create will do to the machine, as ordered immutable data. It is made
// from the bounded Spec by compile(), executed by shim/apply, compared with what /proc shows by
// check(), and written to plan.json; its digest goes into the audit log and the receipt.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "shim/base/json.h"
#include "shim/oci/spec.h"
#include "shim/plan/mount_options.h"

namespace casemate::plan {

// --- steps of the parent (the command line process, in the host's namespaces)

struct Scope {        // a transient unit of systemd's, systemd.scope(5)
  std::string slice;  // "system.slice"; "-.slice" is the root
  std::string unit;   // "docker-ID.scope"
};
struct CreateCgroup {  // a leaf in every hierarchy, its limits and its device rules
  std::string path;
  oci::Resources resources;
  std::optional<Scope> scope = {};  // whose control group `path` then is
};
struct Namespaces {  // new ones by clone3(2), the others joined by path
  std::vector<oci::Namespace> all;
  bool makes(oci::NamespaceType type) const;  // a new one
};
struct IdMaps {  // user_namespaces(7); written by the parent
  std::vector<oci::IdMapping> uids, gids;
};
struct TimeOffsets {  // time_namespaces(7); written before the first task enters
  std::optional<oci::TimeOffset> monotonic, boottime;
};
struct RunHooks {
  // prestart, createRuntime (parent), createContainer, startContainer (init), poststart, poststop
  // (later commands)
  std::string phase;
  std::vector<oci::Hook> hooks;
};

struct InitialCpuAffinity {  // of exec's parent, while it clones the process
  std::vector<std::uint32_t> cpus;
};
struct ExecCpuAffinity {  // what later processes get that ask for none of their own
  oci::ExecCpuAffinity affinity;
};

// --- steps of init (the container's first process), in order

// The root: a private clone of `source`, or an overlay of it with a tmpfs upper that is wiped.
struct AttachRoot {
  std::string source;             // absolute host path
  std::uint64_t upper_bytes = 0;  // 0: no overlay
  std::uint64_t propagation = 0;  // MS_…
  bool propagation_recursive = true;
  std::string label;  // SELinux label of the overlay's files; empty: the files' own
};
// scratch: a tmpfs of a job, made by the parent, so that the warden holds it and overwrites it.
// notify: the folder in which `start` listens for sd_notify(3) messages.
enum class MountKind { filesystem, bind, cgroup, dataset, scratch, notify };
// Files of the source that belong to a container id are shown as, and belong to, the host id
// (mount_setattr(2), MOUNT_ATTR_IDMAP). Files of other ids are nobody's.
struct MountIdmap {
  std::vector<oci::IdMapping> uids, gids;
};
struct AttachMount {
  MountKind kind = MountKind::filesystem;
  std::string destination;
  std::string type;    // file system type; empty for the others
  std::string source;  // bind: absolute host path; dataset: its id
  MountOptions options;
  std::string label;  // SELinux label of all its files (context=); empty: the policy's choice
  std::optional<MountIdmap> idmap = {};  // of a bind; of all below it too with idmap_recursive
};
struct MakeDevice {
  oci::Device device;
};
struct MakeSymlink {
  std::string target;
  std::string path;
};
struct AttachConsole {  // a pseudoterminal of the container's devpts, its master sent to the caller
  std::optional<oci::ConsoleSize> size;
  bool bind = true;  // at /dev/console too; not for exec, whose terminal is its own alone
};
struct PivotRoot {};
struct SetHostname {
  std::string hostname;
  std::string domainname;
};
struct WriteSysctl {
  std::string key, value;
};
struct ReadonlyPath {
  std::string path;
};
struct MaskPath {
  std::string path;
};
struct RootReadonly {};
struct SetOomScore {
  int score = 0;
};
struct SetRlimit {
  oci::Rlimit limit;
};
bool forbids_dumps(const SetRlimit& step);  // no core may be dumped at all
struct SetScheduler {
  oci::Scheduler scheduler;
};
struct SetIoPriority {
  oci::IoPriority priority;
};
struct SetCpuAffinity {  // of an exec'ed process, once it is in the container's cgroup
  std::vector<std::uint32_t> cpus;
};
struct SetMemoryPolicy {
  oci::MemoryPolicy policy;
};
struct SetPersonality {
  std::string domain;
};
struct SetLabel {  // SELinux: label of the process, of its keyring, and of new files
  std::string process_label;
};
struct NewKeyring {
  std::string name;
};
struct NoNewPrivileges {};
enum class FilterSource { profile, container };
struct LoadSeccomp {
  FilterSource from = FilterSource::container;
  oci::Seccomp filter;
};
inline constexpr std::uint32_t kDefaultUmask = 0022;
struct SetCredentials {
  oci::User user;
};
struct SetCapabilities {  // bit n is capability n
  std::uint64_t bounding = 0, effective = 0, inheritable = 0, permitted = 0, ambient = 0;
};
struct SetWorkingDirectory {
  std::string path;
  bool make = true;  // when it is absent; exec makes nothing in a running container
};
struct ResolveProgram {  // looks the program up, as the container's user, before filters are in
                         // force
  std::string name;
  std::string search_path;  // of PATH in the container's environment
};
struct Execute {
  std::vector<std::string> args, env;
};

using Step =
    std::variant<CreateCgroup, Namespaces, IdMaps, TimeOffsets, RunHooks, InitialCpuAffinity,
                 ExecCpuAffinity, AttachRoot, AttachMount, MakeDevice, MakeSymlink, AttachConsole,
                 PivotRoot, SetHostname, WriteSysctl, ReadonlyPath, MaskPath, RootReadonly,
                 SetOomScore, SetRlimit, SetScheduler, SetIoPriority, SetCpuAffinity,
                 SetMemoryPolicy, SetPersonality, SetLabel, NewKeyring, NoNewPrivileges,
                 LoadSeccomp, SetCredentials, SetCapabilities, SetWorkingDirectory, ResolveProgram,
                 Execute>;

// later: `start`, `exec` and `delete`, from the stored plan.
enum class Executor { parent, init, later };

std::string_view name_of(const Step& step);
Executor executor_of(const Step& step);
Json to_json(const Step& step);

struct Plan {
  std::vector<Step> steps;

  Json to_json() const;
  std::string digest() const;  // digest_of() its compact JSON
  // The only step of its type, or nullptr.
  template <class S>
  const S* find() const {
    for (const Step& step : steps)
      if (const S* found = std::get_if<S>(&step)) return found;
    return nullptr;
  }
};

// "sha256:…" of the text of a stored plan: the compact JSON of to_json().
std::string digest_of(std::string_view text);

}  // namespace casemate::plan
