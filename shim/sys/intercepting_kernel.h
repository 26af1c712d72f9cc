// InterceptingKernel forwards every call to another Kernel and lets a subclass decide first:
// forward it, fail it with an errno, or claim success without doing anything. RecordingKernel and
// FaultyKernel are the two deciders.
#pragma once

#include "shim/sys/kernel.h"

namespace casemate::sys {

class InterceptingKernel : public Kernel {
 public:
  struct Verdict {
    enum Kind { forward, fail, pretend } kind = forward;
    int error = 0;  // errno of fail
  };
  explicit InterceptingKernel(Kernel& inner) : inner_(inner) {}
  // `call` is the name of the system call, `arguments` a stable rendering without descriptors.
  virtual Verdict decide(std::string_view call, const std::string& arguments) = 0;

  Result<UniqueFd> openat2(int dir, const std::string& path, const open_how& how) override;
  Result<std::string> read(int fd, std::size_t at_most) override;
  Result<std::size_t> write(int fd, std::string_view bytes) override;
  Status mkdirat(int dir, const std::string& name, mode_t mode) override;
  Status mknodat(int dir, const std::string& name, mode_t mode, dev_t device) override;
  Status symlinkat(const std::string& target, int dir, const std::string& name) override;
  Status unlinkat(int dir, const std::string& name, int flags) override;
  Status renameat(int from_dir, const std::string& from, int to_dir,
                  const std::string& to) override;
  Status fchownat(int dir, const std::string& name, uid_t uid, gid_t gid, int flags) override;
  Status fchmod(int fd, mode_t mode) override;
  Result<struct stat> fstatat(int dir, const std::string& name, int flags) override;
  Result<std::uint64_t> mount_id(int fd) override;
  Result<int> ioctl(int fd, unsigned long request, std::uintptr_t argument) override;
  Result<std::string> readlinkat(int dir, const std::string& name) override;
  Status fchdir(int fd) override;
  Result<mode_t> umask(mode_t mask) override;
  Status dup2(int from, int to) override;
  Status close_range(unsigned first, unsigned last, unsigned flags) override;
  Status flock(int fd, int operation) override;
  Status fsync(int fd) override;
  Result<UniqueFd> fsopen(const std::string& type) override;
  Status fsconfig_flag(int fs, const std::string& key) override;
  Status fsconfig_string(int fs, const std::string& key, const std::string& value) override;
  Status fsconfig_create(int fs) override;
  Status fsconfig_reconfigure(int fs) override;
  Result<UniqueFd> fsmount(int fs, unsigned attributes) override;
  Result<UniqueFd> fspick(int mount, unsigned flags) override;
  Result<UniqueFd> open_tree(int dir, const std::string& path, unsigned flags) override;
  Status move_mount(int mount, int target) override;
  Status mount_setattr(int mount, unsigned flags, const mount_attr& attributes) override;
  Status pivot_root_here() override;
  Status unmount_here(int flags) override;
  Result<Child> clone3(const CloneArgs& args) override;
  Status setns(int fd, int type) override;
  Status unshare(int flags) override;
  Status sethostname(const std::string& name) override;
  Status setdomainname(const std::string& name) override;
  Status setsid() override;
  Status setgroups(const std::vector<gid_t>& groups) override;
  Status setresgid(gid_t gid) override;
  Status setresuid(uid_t uid) override;
  Status setrlimit(int resource, const rlimit& limit) override;
  Status prctl(int option, unsigned long a2, unsigned long a3, unsigned long a4,
               unsigned long a5) override;
  Status capset(const CapabilitySets& sets) override;
  Status seccomp_load(unsigned flags, std::span<const sock_filter> program) override;
  Status new_session_keyring(const std::string& name) override;
  Status sched_setattr(const Scheduling& wanted) override;
  Result<Scheduling> sched_getattr(pid_t pid) override;
  Status sched_setaffinity(const std::vector<std::uint32_t>& cpus) override;
  Result<std::vector<std::uint32_t>> sched_getaffinity(pid_t pid) override;
  Status ioprio_set(int priority) override;
  Result<int> ioprio_get(pid_t pid) override;
  Status set_mempolicy(const MemoryPolicy& wanted) override;
  Result<MemoryPolicy> get_mempolicy() override;
  Status personality(unsigned long persona) override;
  Result<UniqueFd> pidfd_open(pid_t pid) override;
  Status pidfd_send_signal(int pidfd, int signal) override;
  Status execveat(int fd, const std::string& path, const std::vector<std::string>& args,
                  const std::vector<std::string>& env, int flags) override;
  Result<std::pair<UniqueFd, UniqueFd>> socketpair(int type) override;
  Status send(int socket, std::string_view message, std::span<const int> fds) override;
  Result<Message> recv(int socket, std::size_t at_most) override;
  Result<long> bpf(int command, bpf_attr& attributes) override;

 private:
  Kernel& inner_;
};

}  // namespace casemate::sys
