// Profile: the bounds a security admin sets, as data. Strict JSON (profiles/*.json): an unknown or
// duplicate key, a missing section or a value out of range refuses the whole file. Everything not
// allowed is denied; an empty list allows nothing. What weakens a profile is called unsafe_*.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shim/base/result.h"
#include "shim/oci/spec.h"

namespace casemate::policy {

// complain records what would be denied and lets it pass; only a profile named "lab" may say so.
enum class Mode { enforce, complain };

// Patterns of paths: an absolute path (itself only) or one that ends in "/*" (everything below it,
// not itself). Patterns of names: exact, or a prefix and a final "*". Nothing else is special.

struct NamespaceRules {
  std::vector<oci::NamespaceType> required;  // must not be the host's
  std::vector<oci::NamespaceType> join;  // may be one that exists (namespace path), not only new
};

enum class RootUser { never, in_user_namespace, always };
struct IdRange {
  std::uint32_t min = 0;
  std::uint32_t max = 0;  // inclusive
};
struct UserRules {
  RootUser root = RootUser::never;
  std::vector<IdRange> uids;
  std::vector<IdRange> gids;  // the group and the additional groups
};

enum class Beyond { tighten, deny };
struct CapabilityRules {
  std::vector<std::string> ceiling;  // what a job may hold, in any set
  Beyond beyond = Beyond::deny;      // what happens to the others: dropped, or the request refused
  std::vector<std::string> refuse;   // refused even where `beyond` says tighten
  bool ambient = false;              // ambient (and with it inheritable) sets within the ceiling
};

enum class NoNewPrivileges { keep, require };

// The profile's own filter, installed besides the container's (see seccomp_bound.h).
struct SeccompRules {
  bool require_own = true;                   // the config must bring a filter of its own too
  std::vector<std::string> deny;             // system calls: EPERM
  std::vector<std::string> hide;             // system calls: ENOSYS, so that libraries fall back
  std::vector<std::string> socket_families;  // blocked, as "AF_ALG"
  bool block_terminal_injection = true;      // ioctl TIOCSTI, TIOCLINUX (CVE-2019-10063)
  bool block_user_namespaces = true;         // new user namespaces inside the container
};

struct SelinuxRules {
  bool require = false;            // a label must be asked for, and the kernel must have SELinux
  std::vector<std::string> types;  // types that a process or mount label may name
};

// A mount is allowed when one rule matches its type, destination and (binds) source.
struct MountRule {
  std::string type;                  // "bind", "tmpfs", "proc", …
  std::string destination;           // path pattern
  std::string source;                // path pattern; for binds only
  bool unsafe_write = false;         // binds: may be writable; else it is made read-only
  bool idmap = false;                // binds: may be idmapped
  std::vector<std::string> options;  // added when missing
};
struct MountRules {
  std::vector<MountRule> rules;
  // Files that engines put into every container ("/etc/hosts"): a bind of a file of the same base
  // name onto exactly these, made read-only. /dev/shm becomes a new tmpfs when it was a bind.
  std::vector<std::string> engine_files;
  // No bind may show these, what is below them, or a folder that holds them.
  std::vector<std::string> forbidden_sources;
  std::vector<std::string> propagation;  // allowed propagation options, as "rprivate"
};

struct DeviceAllow {
  std::string path;
  char type = 'c';
  std::int64_t major = 0;
  std::int64_t minor = 0;
  std::string access;  // subset of "rwm"
};
// The devices every container has (null, zero, full, random, urandom, tty, console, ptmx, pts) are
// always allowed.
struct DeviceRules {
  std::vector<DeviceAllow> allowed;
  bool unsafe_wildcard = false;  // cgroup rules without a major or minor number
};

struct SysctlRules {
  std::vector<std::string> allowed;  // name patterns with dots; also needs the fitting namespace
};

// A ceiling also applies where nothing was asked. 0 is a real ceiling; absent is none.
struct ResourceRules {
  std::vector<std::string> required;       // of "memory", "pids", "cpu": refused when missing
  std::optional<std::int64_t> memory_max;  // bytes
  std::optional<std::int64_t> pids_max;
  std::optional<std::uint64_t> cpu_max_millis;  // 1000 = one CPU
  int oom_score_adj_min = 0;
  int nice_min = 0;  // of process.scheduler; below 0 a job runs before the host's own work
  std::vector<std::string> unified;  // cgroup v2 files that "unified" may set
  bool unsafe_realtime = false;      // cgroup limits, scheduling policies, I/O class
};

struct RlimitRules {
  std::map<std::string, std::uint64_t>
      ceilings;                              // "RLIMIT_CORE" -> highest value that may be asked
  std::map<std::string, std::uint64_t> set;  // given where nothing was asked
};

enum class HookSource { none, host_list, unsafe_any };
struct HookRules {
  HookSource allowed = HookSource::none;
};

enum class ArgsFrom { image_or_job, any };
struct ProcessRules {
  ArgsFrom args_from = ArgsFrom::image_or_job;  // args, env, cwd and user
  bool terminal = false;
  std::vector<std::string> personalities = {};  // domains that may be asked for besides LINUX
  bool notify = false;  // sd_notify(3): READY=1 may reach the caller's NOTIFY_SOCKET
};

// Control characters in names or values are denied whatever the profile says.
struct EnvRules {
  std::vector<std::string> denied;   // name patterns: the request is refused
  std::vector<std::string> dropped;  // name patterns: the variable is removed
  std::vector<std::string> engine;   // names an engine may set where args_from is image_or_job
};

enum class NetworkMode { none, own, unsafe_host };
struct NetworkRules {
  NetworkMode mode = NetworkMode::none;  // none: a new, empty namespace
};

struct RootfsRules {
  bool readonly = true;
  bool tmpfs_upper = true;        // casemate's own overlay; its upper layer is wiped
  std::uint64_t upper_bytes = 0;  // size limit of that tmpfs
};

enum class ImageLevel { none, chain, content };
struct ImageRules {
  ImageLevel level = ImageLevel::content;
  std::vector<std::string> signers;       // names in the host configuration
  std::vector<std::string> engine_files;  // paths that engines add to a rootfs and no layer has
};

enum class Criticality { public_, internal, confidential, restricted };
struct DatasetRules {
  bool allowed = false;
  std::uint64_t max_bytes = 0;
  Criticality max_criticality = Criticality::public_;  // the most critical data it may open
  std::vector<std::string> targets;                    // path patterns
};

struct GpuRules {
  int count = 0;  // most that a job may ask for: 0 or 1
};

struct HostRules {
  int min_kernel_major = 0;
  int min_kernel_minor = 0;
  // Of "selinux", "cgroup-v2", "tmpfs-noswap", "no-swap", "init-on-free", "memfd-secret".
  std::vector<std::string> facts;
};

struct ExecRules {
  bool allowed = false;
};

struct Profile {
  std::string name;
  std::string description;
  Mode mode = Mode::enforce;
  NamespaceRules namespaces;
  UserRules user;
  CapabilityRules capabilities;
  NoNewPrivileges no_new_privileges = NoNewPrivileges::require;
  SeccompRules seccomp;
  SelinuxRules selinux;
  MountRules mounts;
  DeviceRules devices;
  SysctlRules sysctls;
  ResourceRules resources;
  RlimitRules rlimits;
  HookRules hooks;
  ProcessRules process;
  EnvRules env;
  NetworkRules network;
  RootfsRules rootfs;
  std::vector<std::string> masked_paths;    // floor: always masked
  std::vector<std::string> readonly_paths;  // floor: always read-only
  ImageRules image;
  DatasetRules dataset;
  GpuRules gpu;
  HostRules host;
  ExecRules exec;
  std::optional<std::uint64_t> lifetime_seconds;  // the job is ended after it; absent: no end
};

// bad_input (rules "json.*", "profile.*") with the JSON pointer of the value.
Result<Profile> parse_profile(std::string_view json);

std::string_view to_string(Mode mode);
std::string_view to_string(ImageLevel level);
std::string_view to_string(Criticality level);
Result<Criticality> parse_criticality(std::string_view text);
// The unsafe_* fields that the profile uses, as JSON pointers; receipts record them.
std::vector<std::string> unsafe_fields(const Profile& profile);

}  // namespace casemate::policy
