// Every method of Kernel goes through decide(): nothing escapes a trace or a fault.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <functional>

#include "shim/sys/faulty_kernel.h"
#include "shim/sys/real_kernel.h"
#include "shim/sys/recording_kernel.h"
#include "tests/unit/base/outcome.h"

namespace casemate::sys {
namespace {

// Errno of a result, 0 for success.
template <class T>
int outcome(const Result<T>& result) {
  return result ? 0 : result.error().sys_errno;
}

struct Call {
  std::string line;  // what a trace says
  std::function<int(Kernel&)> make;
};

// Each would change this process or fail: none may reach the real kernel.
std::vector<Call> every_call_but_clone3() {
  using K = Kernel;
  return {
      {"openat2 etc/x CREAT|EXCL mode=0600 resolve=IN_ROOT|NO_MAGICLINKS",
       [](K& k) {
         return outcome(k.openat2(-1, "etc/x",
                                  {.flags = O_CREAT | O_EXCL | O_CLOEXEC,
                                   .mode = 0600,
                                   .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS}));
       }},
      {"read", [](K& k) { return outcome(k.read(-1, 10)); }},
      {"write \"a\\nb\"", [](K& k) { return outcome(k.write(-1, "a\nb")); }},
      {"mkdirat d 0755", [](K& k) { return outcome(k.mkdirat(-1, "d", 0755)); }},
      {"mknodat n 020666 1:3",
       [](K& k) { return outcome(k.mknodat(-1, "n", S_IFCHR | 0666, 0x103)); }},
      {"symlinkat to from", [](K& k) { return outcome(k.symlinkat("to", -1, "from")); }},
      {"unlinkat d REMOVEDIR", [](K& k) { return outcome(k.unlinkat(-1, "d", AT_REMOVEDIR)); }},
      {"renameat a b", [](K& k) { return outcome(k.renameat(-1, "a", -1, "b")); }},
      {"fchownat f 1:2", [](K& k) { return outcome(k.fchownat(-1, "f", 1, 2, 0)); }},
      {"fchmod 0600", [](K& k) { return outcome(k.fchmod(-1, 0600)); }},
      {"fstatat f", [](K& k) { return outcome(k.fstatat(-1, "f", 0)); }},
      {"readlinkat l", [](K& k) { return outcome(k.readlinkat(-1, "l")); }},
      {"fchdir", [](K& k) { return outcome(k.fchdir(-1)); }},
      {"umask 077", [](K& k) { return outcome(k.umask(077)); }},
      {"dup2 9", [](K& k) { return outcome(k.dup2(-1, 9)); }},
      {"close_range 3", [](K& k) { return outcome(k.close_range(3, ~0U, 0)); }},
      {"flock 2", [](K& k) { return outcome(k.flock(-1, 2)); }},
      {"fsync", [](K& k) { return outcome(k.fsync(-1)); }},
      {"fsopen tmpfs", [](K& k) { return outcome(k.fsopen("tmpfs")); }},
      {"fsconfig ro", [](K& k) { return outcome(k.fsconfig_flag(-1, "ro")); }},
      {"fsconfig size=1m", [](K& k) { return outcome(k.fsconfig_string(-1, "size", "1m")); }},
      {"fsconfig CREATE", [](K& k) { return outcome(k.fsconfig_create(-1)); }},
      {"fsconfig RECONFIGURE", [](K& k) { return outcome(k.fsconfig_reconfigure(-1)); }},
      {"fsmount NOSUID|NODEV",
       [](K& k) { return outcome(k.fsmount(-1, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)); }},
      {"fspick 0", [](K& k) { return outcome(k.fspick(-1, 0)); }},
      {"open_tree /p CLONE|RECURSIVE",
       [](K& k) { return outcome(k.open_tree(-1, "/p", OPEN_TREE_CLONE | AT_RECURSIVE)); }},
      {"move_mount", [](K& k) { return outcome(k.move_mount(-1, -1)); }},
      {"mount_setattr recursive set=RDONLY propagation=SLAVE",
       [](K& k) {
         return outcome(k.mount_setattr(-1, AT_RECURSIVE,
                                        {.attr_set = MOUNT_ATTR_RDONLY, .propagation = 1UL << 19}));
       }},
      {"pivot_root", [](K& k) { return outcome(k.pivot_root_here()); }},
      {"umount2 2", [](K& k) { return outcome(k.unmount_here(2)); }},
      {"setns NEWNET", [](K& k) { return outcome(k.setns(-1, CLONE_NEWNET)); }},
      {"unshare NEWUSER|NEWNS",
       [](K& k) { return outcome(k.unshare(CLONE_NEWUSER | CLONE_NEWNS)); }},
      {"sethostname h", [](K& k) { return outcome(k.sethostname("h")); }},
      {"setdomainname d", [](K& k) { return outcome(k.setdomainname("d")); }},
      {"setsid", [](K& k) { return outcome(k.setsid()); }},
      {"setgroups [1 2]", [](K& k) { return outcome(k.setgroups({1, 2})); }},
      {"setresgid 5", [](K& k) { return outcome(k.setresgid(5)); }},
      {"setresuid 5", [](K& k) { return outcome(k.setresuid(5)); }},
      {"setrlimit 7 1 2", [](K& k) { return outcome(k.setrlimit(7, {1, 2})); }},
      {"prctl 38 1 0", [](K& k) { return outcome(k.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)); }},
      {"capset effective=0x1 permitted=0x3 inheritable=0",
       [](K& k) { return outcome(k.capset({.effective = 1, .permitted = 3})); }},
      {"seccomp 1 instructions, flags 0",
       [](K& k) {
         const sock_filter kill[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)};
         return outcome(k.seccomp_load(0, kill));
       }},
      {"keyctl JOIN_SESSION_KEYRING k", [](K& k) { return outcome(k.new_session_keyring("k")); }},
      {"sched_setattr policy=1 flags=0x1 nice=2 priority=3 runtime=4 deadline=5 period=6",
       [](K& k) { return outcome(k.sched_setattr({1, 1, 2, 3, 4, 5, 6})); }},
      {"sched_getattr", [](K& k) { return outcome(k.sched_getattr(0)); }},
      {"sched_setaffinity [0 3]", [](K& k) { return outcome(k.sched_setaffinity({0, 3})); }},
      {"sched_getaffinity", [](K& k) { return outcome(k.sched_getaffinity(0)); }},
      {"ioprio_set 16388", [](K& k) { return outcome(k.ioprio_set(2 << 13 | 4)); }},
      {"ioprio_get", [](K& k) { return outcome(k.ioprio_get(0)); }},
      {"set_mempolicy 2 [0]", [](K& k) { return outcome(k.set_mempolicy({2, {0}})); }},
      {"get_mempolicy", [](K& k) { return outcome(k.get_mempolicy()); }},
      {"personality 8", [](K& k) { return outcome(k.personality(8)); }},
      {"pidfd_open", [](K& k) { return outcome(k.pidfd_open(1)); }},
      {"pidfd_send_signal 9", [](K& k) { return outcome(k.pidfd_send_signal(-1, 9)); }},
      {"execveat /x [\"x\" \"y\"] [\"A=b\"]",
       [](K& k) { return outcome(k.execveat(-1, "/x", {"x", "y"}, {"A=b"}, 0)); }},
      {"socketpair", [](K& k) { return outcome(k.socketpair(SOCK_STREAM)); }},
      {"sendmsg 0 descriptors", [](K& k) { return outcome(k.send(-1, "x", {})); }},
      {"recvmsg", [](K& k) { return outcome(k.recv(-1, 10)); }},
      {"bpf 5",
       [](K& k) {
         bpf_attr attributes = {};
         return outcome(k.bpf(5, attributes));
       }},
  };
}

TEST(InterceptingKernel, EveryCallIsRecordedAndCanBePretended) {
  RealKernel real;
  RecordingKernel kernel(real, RecordingKernel::Calls::pretended);
  std::string expected;
  for (const auto& call : every_call_but_clone3()) {
    EXPECT_EQ(call.make(kernel), 0) << call.line;
    expected += call.line + "\n";
  }
  EXPECT_EQ(kernel.text(), expected);
}

TEST(InterceptingKernel, EveryCallCanFail) {
  RealKernel real;
  FaultyKernel kernel(real);
  const auto calls = every_call_but_clone3();
  for (std::size_t i = 0; i < calls.size(); ++i) {
    kernel.fail_call(i + 1, ENOTRECOVERABLE);
    EXPECT_EQ(calls[i].make(kernel), ENOTRECOVERABLE) << calls[i].line;
    EXPECT_EQ(kernel.made().back(), calls[i].line);
  }
}

TEST(InterceptingKernel, ForwardsByDefault) {
  RealKernel real;
  RecordingKernel kernel(real);
  const auto null = kernel.openat2(AT_FDCWD, "/dev/null", {.flags = O_RDWR});
  ASSERT_TRUE(null);
  EXPECT_EQ(kernel.write(null->get(), "text").value(), 4U);
  EXPECT_EQ(errno_of(kernel.mkdirat(null->get(), "x", 0700)), ENOTDIR);
  EXPECT_EQ(kernel.lines().size(), 3U);
  kernel.clear();
  EXPECT_EQ(kernel.text(), "");
}

TEST(InterceptingKernel, PretendedValuesAreHarmless) {
  RealKernel real;
  RecordingKernel kernel(real, RecordingKernel::Calls::pretended);
  EXPECT_EQ(kernel.write(-1, "four").value(), 4U);
  EXPECT_EQ(kernel.umask(0).value(), 022U);
  EXPECT_EQ(kernel.recv(-1, 10)->bytes, "");
  const auto fd = kernel.fsopen("tmpfs");
  EXPECT_TRUE(*fd);
  EXPECT_EQ(errno_of(real.write(fd->get(), "x")), EBADF);
  const auto pair = kernel.socketpair(SOCK_STREAM);
  EXPECT_TRUE(pair->first && pair->second);
}

}  // namespace
}  // namespace casemate::sys
