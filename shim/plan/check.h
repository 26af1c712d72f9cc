// check: does what /proc shows of a container's init equal its Plan? The last look before a program
// of the image runs. Pure; shim/apply/observe reads the facts.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "shim/base/result.h"
#include "shim/plan/plan.h"

namespace casemate::plan {

struct ObservedMount {
  std::uint64_t id = 0;
  std::uint64_t parent = 0;  // id of the mount it hangs on
  std::string point;         // as init sees it
  std::string type;
  std::string label;  // SELinux label of all its files (context=); empty: each file's own
  bool readonly = false, nosuid = false, nodev = false, noexec = false, nosymfollow = false;
  bool noatime = false, nodiratime = false, relatime = false;
  bool idmapped = false;
  bool shared = false, slave = false, unbindable = false;  // propagation; private without any
};

struct NamespaceInodes {
  std::uint64_t container = 0;  // of init
  std::uint64_t host = 0;       // of the observer
  std::uint64_t asked = 0;      // of the namespace to join; 0 for a new one
};

struct ObservedLimit {
  std::uint64_t soft = 0, hard = 0;
};

struct ObservedScheduler {  // sched_getattr(2)
  std::uint32_t policy = 0;
  std::uint64_t flags = 0;
  std::int32_t nice = 0;
  std::uint32_t priority = 0;
  std::uint64_t runtime = 0, deadline = 0, period = 0;
};

struct Observed {
  std::array<std::uint32_t, 4> uids{}, gids{};  // as the container sees them
  std::vector<std::uint32_t> groups;
  std::uint64_t cap_inheritable = 0, cap_permitted = 0, cap_effective = 0, cap_bounding = 0,
                cap_ambient = 0;
  std::uint64_t machine_capabilities = 0;  // what the observer itself could have given
  bool no_new_privileges = false;
  std::uint32_t umask = 0;
  bool session_leader = false;
  int seccomp_mode = 0;
  int seccomp_filters = 0;                            // loaded by init, the observer's own left out
  std::map<std::string, NamespaceInodes> namespaces;  // by oci::to_string
  std::vector<ObservedMount> mounts;
  std::map<std::size_t, std::vector<std::uint64_t>> mount_ids;  // by step; 0: path absent
  std::map<std::size_t, std::uint64_t> mount_at;  // by step: where its path leads; 0: path absent
  std::map<std::string, ObservedLimit> limits;    // by RLIMIT_… name
  int oom_score_adj = 0;
  // Of these what the plan has a step for.
  ObservedScheduler scheduler;
  int io_priority = 0;              // ioprio_get(2)
  std::vector<std::uint32_t> cpus;  // sched_getaffinity(2)
  unsigned long personality = 0;
  std::string exec_label;        // /proc/PID/attr/exec
  std::vector<int> descriptors;  // beyond 0, 1 and 2, without those that init needs
  bool in_cgroup = false;        // member of the container's cgroup in every hierarchy
};

// internal "readback.<step>" with what was planned and what is there.
Status check(const Plan& plan, const Observed& observed);

}  // namespace casemate::plan
