// The kernel behind one interface. Only code that changes the machine takes a Kernel&; three kinds
// exist: RealKernel (system calls), RecordingKernel (a trace for golden tests) and FaultyKernel
// (call n fails, or claims success and does nothing). Every method is one system call and reports
// errno through Error{rule "system.call"}; no method retries except on EINTR. Descriptors are
// opened close-on-exec. Paths are relative to the directory fd in the first argument, and hold no
// NUL. Calls that change an identity or a capability set act on the calling thread alone.
#pragma once

#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shim/base/result.h"
#include "shim/base/unique_fd.h"

struct sock_filter;
union bpf_attr;

namespace casemate::sys {

struct CloneArgs {
  // CLONE_NEW…, CLONE_PARENT. The exit signal is SIGCHLD, of a sibling that of the caller itself.
  std::uint64_t flags = 0;
  int cgroup_fd = -1;  // cgroup v2 directory for CLONE_INTO_CGROUP, or -1
};
struct Child {
  pid_t pid = -1;  // 0 in the child
  UniqueFd pidfd;  // empty in the child
};
struct CapabilitySets {  // bit n is capability n
  std::uint64_t effective = 0, permitted = 0, inheritable = 0;
};

struct Scheduling {          // sched_setattr(2)
  std::uint32_t policy = 0;  // SCHED_…
  std::uint64_t flags = 0;   // SCHED_FLAG_…
  std::int32_t nice = 0;
  std::uint32_t priority = 0;
  std::uint64_t runtime = 0, deadline = 0, period = 0;  // nanoseconds
};
struct MemoryPolicy {
  int mode = 0;                      // MPOL_… | MPOL_F_…
  std::vector<std::uint32_t> nodes;  // sorted, below 1024
};

class Kernel {
 public:
  virtual ~Kernel() = default;

  // Files, by descriptor.
  virtual Result<UniqueFd> openat2(int dir, const std::string& path, const open_how& how) = 0;
  virtual Result<std::string> read(int fd, std::size_t at_most) = 0;
  virtual Result<std::size_t> write(int fd, std::string_view bytes) = 0;
  virtual Status mkdirat(int dir, const std::string& name, mode_t mode) = 0;
  virtual Status mknodat(int dir, const std::string& name, mode_t mode, dev_t device) = 0;
  virtual Status symlinkat(const std::string& target, int dir, const std::string& name) = 0;
  virtual Status unlinkat(int dir, const std::string& name, int flags) = 0;
  virtual Status renameat(int from_dir, const std::string& from, int to_dir,
                          const std::string& to) = 0;
  virtual Status fchownat(int dir, const std::string& name, uid_t uid, gid_t gid, int flags) = 0;
  virtual Status fchmod(int fd, mode_t mode) = 0;
  virtual Result<struct stat> fstatat(int dir, const std::string& name, int flags) = 0;
  // The mount that a descriptor lives on, as /proc/PID/mountinfo numbers it (statx STATX_MNT_ID).
  virtual Result<std::uint64_t> mount_id(int fd) = 0;
  // `argument` is a number or an address, as the request wants it.
  virtual Result<int> ioctl(int fd, unsigned long request, std::uintptr_t argument) = 0;
  virtual Result<std::string> readlinkat(int dir, const std::string& name) = 0;
  virtual Status fchdir(int fd) = 0;
  virtual Result<mode_t> umask(mode_t mask) = 0;
  virtual Status dup2(int from, int to) = 0;  // `to` is inheritable
  virtual Status close_range(unsigned first, unsigned last, unsigned flags) = 0;
  virtual Status flock(int fd, int operation) = 0;
  virtual Status fsync(int fd) = 0;

  // Mounts: detached file descriptors, attached by descriptor.
  virtual Result<UniqueFd> fsopen(const std::string& type) = 0;
  virtual Status fsconfig_flag(int fs, const std::string& key) = 0;
  virtual Status fsconfig_string(int fs, const std::string& key, const std::string& value) = 0;
  virtual Status fsconfig_create(int fs) = 0;
  virtual Status fsconfig_reconfigure(int fs) = 0;
  virtual Result<UniqueFd> fsmount(int fs, unsigned attributes) = 0;  // MOUNT_ATTR_…
  virtual Result<UniqueFd> fspick(int mount, unsigned flags) = 0;
  virtual Result<UniqueFd> open_tree(int dir, const std::string& path, unsigned flags) = 0;
  virtual Status move_mount(int mount, int target) = 0;  // both by descriptor, empty paths
  virtual Status mount_setattr(int mount, unsigned flags, const mount_attr& attributes) = 0;
  virtual Status pivot_root_here() = 0;        // pivot_root(".", ".")
  virtual Status unmount_here(int flags) = 0;  // umount2(".", flags)

  // Namespaces and identity.
  // Returns twice, like fork(2): the child must be a process of one thread.
  virtual Result<Child> clone3(const CloneArgs& args) = 0;
  virtual Status setns(int fd, int type) = 0;
  virtual Status unshare(int flags) = 0;
  virtual Status sethostname(const std::string& name) = 0;
  virtual Status setdomainname(const std::string& name) = 0;
  virtual Status setsid() = 0;
  virtual Status setgroups(const std::vector<gid_t>& groups) = 0;
  virtual Status setresgid(gid_t gid) = 0;
  virtual Status setresuid(uid_t uid) = 0;
  virtual Status setrlimit(int resource, const rlimit& limit) = 0;
  virtual Status prctl(int option, unsigned long a2, unsigned long a3, unsigned long a4,
                       unsigned long a5) = 0;
  virtual Status capset(const CapabilitySets& sets) = 0;
  // Not for SECCOMP_FILTER_FLAG_NEW_LISTENER (EINVAL): its descriptor would be lost.
  virtual Status seccomp_load(unsigned flags, std::span<const sock_filter> program) = 0;
  virtual Status new_session_keyring(const std::string& name) = 0;

  // When and where a thread runs. Those that set act on the calling thread; a pid of 0 names it
  // too.
  virtual Status sched_setattr(const Scheduling& wanted) = 0;
  virtual Result<Scheduling> sched_getattr(pid_t pid) = 0;
  virtual Status sched_setaffinity(const std::vector<std::uint32_t>& cpus) = 0;
  virtual Result<std::vector<std::uint32_t>> sched_getaffinity(pid_t pid) = 0;
  virtual Status ioprio_set(int priority) = 0;  // IOPRIO_PRIO_VALUE
  virtual Result<int> ioprio_get(pid_t pid) = 0;
  virtual Status set_mempolicy(const MemoryPolicy& wanted) = 0;
  virtual Result<MemoryPolicy> get_mempolicy() = 0;
  virtual Status personality(unsigned long persona) = 0;

  // Processes and sockets.
  virtual Result<UniqueFd> pidfd_open(pid_t pid) = 0;
  virtual Status pidfd_send_signal(int pidfd, int signal) = 0;
  virtual Status execveat(int fd, const std::string& path, const std::vector<std::string>& args,
                          const std::vector<std::string>& env, int flags) = 0;
  virtual Result<std::pair<UniqueFd, UniqueFd>> socketpair(int type) = 0;  // AF_UNIX
  // One message with descriptors (SCM_RIGHTS, at most 253). send refuses an empty message (EINVAL),
  // because recv reports the peer's end as one; recv refuses a message of more than `at_most` bytes
  // or one that lost descriptors (EMSGSIZE). On a stream at most a page.
  virtual Status send(int socket, std::string_view message, std::span<const int> fds) = 0;
  struct Message {
    std::string bytes;
    std::vector<UniqueFd> fds;
  };
  virtual Result<Message> recv(int socket, std::size_t at_most) = 0;
  virtual Result<long> bpf(int command, bpf_attr& attributes) = 0;
};

}  // namespace casemate::sys
