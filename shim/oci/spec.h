// The OCI runtime configuration (config.json, runtime-spec 1.3) as data. Parsing validates shape
// and ranges; what may be asked is the policy's business. Unknown properties are ignored, as the
// specification demands; every property below is honoured or refused by name, never ignored.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shim/base/json.h"
#include "shim/base/result.h"

// GNU dialects predefine this name; the specification uses it for a section.
#undef linux

namespace casemate::oci {

struct User {
  std::uint32_t uid = 0;  // CVE-2024-40635: never above 2^31 - 1
  std::uint32_t gid = 0;
  std::optional<std::uint32_t> umask;
  std::vector<std::uint32_t> additional_gids;
};

struct Capabilities {  // names as "CAP_CHOWN"
  std::vector<std::string> bounding, effective, inheritable, permitted, ambient;
};

struct Rlimit {
  std::string type;  // "RLIMIT_NOFILE"
  std::uint64_t hard = 0;
  std::uint64_t soft = 0;
};

struct ConsoleSize {
  std::uint16_t height = 0;
  std::uint16_t width = 0;
};

// sched_setattr(2). The names are those of the specification.
struct Scheduler {
  std::string policy;                                   // "SCHED_OTHER"
  int nice = 0;                                         // -20 … 19; OTHER and BATCH
  int priority = 0;                                     // 1 … 99; FIFO and RR
  std::vector<std::string> flags;                       // "SCHED_FLAG_RESET_ON_FORK"
  std::uint64_t runtime = 0, deadline = 0, period = 0;  // nanoseconds; DEADLINE

  bool realtime() const;  // runs before all others: FIFO, RR, DEADLINE
};

struct IoPriority {      // ioprio_set(2)
  std::string io_class;  // "IOPRIO_CLASS_BE"
  int priority = 0;      // 0 (first) … 7
};

// Of an exec'ed process, never of the container's own; empty: nothing asked.
struct ExecCpuAffinity {
  std::vector<std::uint32_t> initial;  // of the runtime, before the container's cgroup is joined
  std::vector<std::uint32_t> final;    // of the process, once it is there
};

struct Process {
  bool terminal = false;
  std::optional<ConsoleSize> console_size;
  User user;
  std::vector<std::string> args;
  std::vector<std::string> env;
  std::string cwd;
  std::optional<Capabilities> capabilities;
  std::vector<Rlimit> rlimits;
  bool no_new_privileges = false;
  std::string apparmor_profile;
  std::string selinux_label;
  std::optional<int> oom_score_adj;
  std::optional<Scheduler> scheduler;
  std::optional<IoPriority> io_priority;
  std::optional<ExecCpuAffinity> exec_cpu_affinity;
};

struct Root {
  std::string path;  // absolute, or relative to the bundle
  bool readonly = false;
};

struct IdMapping {
  std::uint32_t container_id = 0;
  std::uint32_t host_id = 0;
  std::uint32_t size = 0;
};

struct Mount {
  std::string destination;
  std::string type;    // "bind" when an option says bind or rbind and no type is given
  std::string source;  // may be empty
  std::vector<std::string> options;
  // Of an idmapped bind (option "idmap" or "ridmap", added when there are mappings): the ids of the
  // source's files are container ids, host ids see and own them. Both empty: the mappings of the
  // container's user namespace.
  std::vector<IdMapping> uid_mappings = {}, gid_mappings = {};

  bool has_option(std::string_view option) const;
  bool idmapped() const { return has_option("idmap") || has_option("ridmap"); }
};

struct Hook {
  std::string path;  // absolute
  std::vector<std::string> args;
  std::vector<std::string> env;
  std::optional<int> timeout_s;
};

struct Hooks {
  std::vector<Hook> prestart, create_runtime, create_container, start_container, poststart,
      poststop;
};

enum class NamespaceType { pid, network, mount, ipc, uts, user, cgroup, time };
std::string_view to_string(NamespaceType type);
// The name of the specification ("pid", "network", …); nothing when unknown.
std::optional<NamespaceType> namespace_type(std::string_view text);

struct Namespace {
  NamespaceType type;
  std::string path;  // empty: a new one
};

struct Device {
  std::string path;
  char type = 'c';  // b, c, u or p
  std::int64_t major = 0;
  std::int64_t minor = 0;
  std::optional<std::uint32_t> file_mode;
  std::optional<std::uint32_t> uid;
  std::optional<std::uint32_t> gid;
};

struct DeviceRule {
  bool allow = false;
  char type = 'a';                    // a, b or c
  std::optional<std::int64_t> major;  // none: all
  std::optional<std::int64_t> minor;
  std::string access;  // subset of "rwm"; empty means "rwm"
};

// Limits; an absent value is not written. -1 means unlimited where the specification says so.
struct Resources {
  std::vector<DeviceRule> devices;
  struct {
    std::optional<std::int64_t> limit, reservation, swap, kernel, kernel_tcp;
    std::optional<std::uint64_t> swappiness;
    bool disable_oom_killer = false;
    std::optional<bool> use_hierarchy, check_before_update;
  } memory;
  struct {
    std::optional<std::uint64_t> shares, period, realtime_period, burst;
    std::optional<std::int64_t> quota, realtime_runtime, idle;
    std::string cpus, mems;
  } cpu;
  std::optional<std::int64_t> pids_limit;
  struct WeightDevice {
    std::int64_t major = 0, minor = 0;
    std::optional<std::uint64_t> weight, leaf_weight;
  };
  struct ThrottleDevice {
    std::int64_t major = 0, minor = 0;
    std::uint64_t rate = 0;
  };
  struct {
    std::optional<std::uint64_t> weight, leaf_weight;
    std::vector<WeightDevice> weight_device;
    std::vector<ThrottleDevice> read_bps, write_bps, read_iops, write_iops;
  } block_io;
  std::vector<std::pair<std::string, std::uint64_t>> hugepage_limits;  // "2MB" -> bytes
  std::optional<std::uint32_t> net_class_id;
  std::vector<std::pair<std::string, std::uint32_t>> net_priorities;
  std::map<std::string, std::pair<std::optional<std::uint32_t>, std::optional<std::uint32_t>>>
      rdma;                                                  // device -> (handles, objects)
  std::vector<std::pair<std::string, std::string>> unified;  // cgroup v2 file -> value
};

struct SeccompArg {
  std::uint32_t index = 0;  // 0..5
  std::uint64_t value = 0;
  std::uint64_t value_two = 0;
  std::string op;  // SCMP_CMP_…
};
struct SeccompRule {
  std::vector<std::string> names;
  std::string action;  // SCMP_ACT_…
  std::optional<std::uint32_t> errno_ret;
  std::vector<SeccompArg> args;
};
struct Seccomp {
  std::string default_action;
  std::optional<std::uint32_t> default_errno_ret;
  std::vector<std::string> architectures;  // SCMP_ARCH_…
  std::vector<std::string> flags;          // SECCOMP_FILTER_FLAG_…
  std::string listener_path;
  std::vector<SeccompRule> syscalls;
};

struct TimeOffset {
  std::int64_t secs = 0;
  std::uint32_t nanosecs = 0;
};

struct MemoryPolicy {  // set_mempolicy(2); runtime-spec 1.3
  std::string mode;    // "MPOL_BIND"
  std::vector<std::uint32_t> nodes;
  std::vector<std::string> flags;  // "MPOL_F_STATIC_NODES"
};

struct Linux {
  // Of the user namespace. Of one that is joined they may be left out; whoever opens it adds them.
  std::vector<IdMapping> uid_mappings, gid_mappings;
  std::vector<std::pair<std::string, std::string>> sysctl;
  Resources resources;
  std::string cgroups_path;
  std::vector<Namespace> namespaces;
  std::vector<Device> devices;
  std::optional<Seccomp> seccomp;
  std::string rootfs_propagation;  // empty, private, slave, shared, unbindable (and r… forms)
  std::vector<std::string> masked_paths, readonly_paths;
  std::string mount_label;
  std::optional<TimeOffset> monotonic_offset, boottime_offset;
  std::string personality;  // "LINUX" or "LINUX32"; empty: the caller's
  std::optional<MemoryPolicy> memory_policy;

  bool has(NamespaceType type) const;  // a new one or one to join
  const Namespace* find(NamespaceType type) const;
};

struct Spec {
  std::string oci_version;
  std::optional<Process> process;  // may be absent for create; start then fails
  Root root;
  std::string hostname;
  std::string domainname;
  std::vector<Mount> mounts;
  Hooks hooks;
  std::vector<std::pair<std::string, std::string>> annotations;
  Linux linux;

  const std::string* annotation(std::string_view key) const;
};

// What the specification and the kernel both know, for the parser and for `features`.
std::span<const std::string_view> memory_policy_modes();
std::span<const std::string_view> memory_policy_flags();

bool is_rlimit(std::string_view name);  // "RLIMIT_CORE" and its kind
// Without empty and "." components and without a final slash; ".." stays as it is.
std::string normalise_path(std::string_view path);

// bad_input on malformed text, with the JSON pointer; unsupported (rule "oci.<property>") for
// properties of the specification that casemate does not serve yet.
Result<Spec> parse_spec(std::string_view config_json);
// An element of "hooks", also as plans store it.
Result<Hook> parse_hook(JsonObject object);
// process.json of exec: the "process" object alone.
Result<Process> parse_process(std::string_view process_json);
// A linux.resources object alone, as `update` gets it; pointers begin at /linux/resources.
Result<Resources> parse_resources(std::string_view resources_json);

}  // namespace casemate::oci
