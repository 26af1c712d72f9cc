#include "shim/sys/real_kernel.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <filesystem>

#include "tests/unit/base/outcome.h"
#include "tests/unit/sys/in_child.h"

namespace casemate::sys {
namespace {

bool is_cloexec(const UniqueFd& fd) {
  return (::fcntl(fd.get(), F_GETFD) & FD_CLOEXEC) != 0;
}

std::size_t open_descriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

TEST(RealKernel, ErrorsNameTheCallAndItsSubject) {
  RealKernel kernel;
  const auto file = kernel.openat2(AT_FDCWD, "/no/such\nfile", {.flags = O_PATH});
  ASSERT_FALSE(file);
  EXPECT_EQ(rule_of(file), "system.call");
  EXPECT_EQ(file.error().what, "openat2 \"/no/such\nfile\"");
  EXPECT_EQ(errno_of(file), ENOENT);
}

TEST(RealKernel, DescriptorsAreCloseOnExec) {
  RealKernel kernel;
  EXPECT_TRUE(is_cloexec(*kernel.openat2(AT_FDCWD, "/", {.flags = O_PATH})));
  EXPECT_TRUE(is_cloexec(*kernel.fsopen("tmpfs")));
  EXPECT_TRUE(is_cloexec(*kernel.open_tree(AT_FDCWD, "/", 0)));
  EXPECT_TRUE(is_cloexec(*kernel.pidfd_open(::getpid())));
  const auto pair = kernel.socketpair(SOCK_SEQPACKET);
  ASSERT_TRUE(pair);
  EXPECT_TRUE(is_cloexec(pair->first) && is_cloexec(pair->second));
  const int sent[] = {0};
  ASSERT_TRUE(kernel.send(pair->first.get(), "x", sent));
  EXPECT_TRUE(is_cloexec(kernel.recv(pair->second.get(), 1)->fds.at(0)));
}

TEST(RealKernel, Dup2MakesItsTargetInheritable) {
  RealKernel kernel;
  const UniqueFd fd = std::move(*kernel.openat2(AT_FDCWD, "/dev/null", {.flags = O_RDONLY}));
  const UniqueFd other = std::move(*kernel.openat2(AT_FDCWD, "/dev/null", {.flags = O_RDONLY}));
  ASSERT_TRUE(kernel.dup2(fd.get(), other.get()));
  EXPECT_FALSE(is_cloexec(other));
  ASSERT_TRUE(kernel.dup2(fd.get(), fd.get()));
  EXPECT_FALSE(is_cloexec(fd));
}

TEST(RealKernel, FilesByDescriptor) {
  RealKernel kernel;
  std::string pattern = ::testing::TempDir() + "casemate-XXXXXX";
  ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
  const UniqueFd dir = std::move(*kernel.openat2(AT_FDCWD, pattern, {.flags = O_PATH}));
  const int at = dir.get();
  ASSERT_TRUE(kernel.mkdirat(at, "directory", 0700));
  ASSERT_TRUE(kernel.mknodat(at, "file", S_IFREG | 0600, 0));
  ASSERT_TRUE(kernel.symlinkat("file", at, "link"));
  EXPECT_EQ(kernel.readlinkat(at, "link").value(), "file");
  EXPECT_EQ(errno_of(kernel.readlinkat(at, "file")), EINVAL);
  ASSERT_TRUE(kernel.renameat(at, "file", at, "directory/moved"));
  const auto file = kernel.openat2(at, "directory/moved", {.flags = O_RDWR});
  ASSERT_TRUE(file);
  EXPECT_EQ(kernel.write(file->get(), "text").value(), 4U);
  ASSERT_TRUE(kernel.fchmod(file->get(), 0640));
  ASSERT_TRUE(kernel.fchownat(file->get(), "", 7, 8, AT_EMPTY_PATH));
  ASSERT_TRUE(kernel.fsync(file->get()));
  ASSERT_TRUE(kernel.flock(file->get(), 2));  // LOCK_EX
  const auto facts = kernel.fstatat(at, "directory/moved", 0);
  EXPECT_EQ(facts->st_size, 4);
  EXPECT_EQ(facts->st_mode & 07777, 0640U);
  EXPECT_EQ(facts->st_uid, 7U);
  EXPECT_EQ(facts->st_gid, 8U);
  const auto again = kernel.openat2(at, "directory/moved", {.flags = O_RDONLY});
  EXPECT_EQ(kernel.read(again->get(), 2).value(), "te");
  EXPECT_EQ(kernel.read(again->get(), 100).value(), "xt");
  EXPECT_EQ(kernel.read(again->get(), 100).value(), "");
  EXPECT_EQ(errno_of(kernel.unlinkat(at, "directory", AT_REMOVEDIR)), ENOTEMPTY);
  std::filesystem::remove_all(pattern);
}

TEST(RealKernel, MessagesCarryDescriptors) {
  RealKernel kernel;
  const auto pair = kernel.socketpair(SOCK_SEQPACKET);
  ASSERT_TRUE(pair);
  const UniqueFd root = std::move(*kernel.openat2(AT_FDCWD, "/", {.flags = O_PATH}));
  const std::vector<int> most(253, root.get());
  ASSERT_TRUE(kernel.send(pair->first.get(), "hello", most));
  const auto message = kernel.recv(pair->second.get(), 5);
  ASSERT_TRUE(message) << message.error().message();
  EXPECT_EQ(message->bytes, "hello");
  EXPECT_EQ(message->fds.size(), most.size());
  EXPECT_EQ(kernel.fstatat(message->fds.back().get(), "", AT_EMPTY_PATH)->st_ino,
            kernel.fstatat(root.get(), "", AT_EMPTY_PATH)->st_ino);
  const std::vector<int> too_many(254, root.get());
  EXPECT_EQ(errno_of(kernel.send(pair->first.get(), "x", too_many)), EINVAL);
}

TEST(RealKernel, AMessageThatIsCutOffLeaksNothing) {
  RealKernel kernel;
  const auto pair = kernel.socketpair(SOCK_SEQPACKET);
  const int fds[] = {0, 1, 2};
  const std::size_t before = open_descriptors();
  ASSERT_TRUE(kernel.send(pair->first.get(), "longer", fds));
  const auto cut = kernel.recv(pair->second.get(), 3);
  ASSERT_FALSE(cut);
  EXPECT_EQ(errno_of(cut), EMSGSIZE);
  EXPECT_EQ(open_descriptors(), before);
}

TEST(RealKernel, MessagesOfAnyLengthUpToTheLimit) {
  RealKernel kernel;
  auto pair = kernel.socketpair(SOCK_SEQPACKET);
  constexpr std::size_t kLimit = 100'000;
  for (const std::size_t size : {1uz, 4095uz, 4096uz, 4097uz, kLimit}) {
    const std::string sent(size, 'm');
    ASSERT_TRUE(kernel.send(pair->first.get(), sent, {}));
    EXPECT_EQ(kernel.recv(pair->second.get(), kLimit)->bytes, sent);
  }
  ASSERT_TRUE(kernel.send(pair->first.get(), std::string(kLimit + 1, 'm'), {}));
  EXPECT_EQ(errno_of(kernel.recv(pair->second.get(), kLimit)), EMSGSIZE);
  // The end of a peer that left our words unread is told before its own last ones.
  const std::string last(50'000, 'l');
  ASSERT_TRUE(kernel.send(pair->first.get(), last, {}));
  ASSERT_TRUE(kernel.send(pair->second.get(), "unread", {}));
  pair->first.reset();
  auto got = kernel.recv(pair->second.get(), kLimit);
  if (!got) got = kernel.recv(pair->second.get(), kLimit);
  ASSERT_TRUE(got) << got.error().message();
  EXPECT_EQ(got->bytes, last);
}

TEST(RealKernel, TheEndOfThePeerIsAnEmptyMessage) {
  RealKernel kernel;
  auto pair = kernel.socketpair(SOCK_SEQPACKET);
  EXPECT_EQ(errno_of(kernel.send(pair->first.get(), "", {})), EINVAL);
  pair->first.reset();
  EXPECT_EQ(kernel.recv(pair->second.get(), 10)->bytes, "");
  // MSG_NOSIGNAL: an error, not SIGPIPE.
  EXPECT_EQ(errno_of(kernel.send(pair->second.get(), "x", {})), EPIPE);
}

TEST(RealKernel, CloneGivesAPidfd) {
  RealKernel kernel;
  const auto child = kernel.clone3({});
  ASSERT_TRUE(child);
  if (child->pid == 0) {
    ::pause();
    ::_exit(0);
  }
  EXPECT_TRUE(is_cloexec(child->pidfd));
  ASSERT_TRUE(kernel.pidfd_send_signal(child->pidfd.get(), SIGKILL));
  int status = 0;
  ASSERT_EQ(::waitpid(child->pid, &status, 0), child->pid);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  EXPECT_EQ(errno_of(kernel.pidfd_send_signal(child->pidfd.get(), SIGKILL)), ESRCH);
}

TEST(RealKernel, MountsAreDetachedUntilTheyAreMoved) {
  const std::string problem = in_child(CLONE_NEWNS, []() -> std::string {
    RealKernel kernel;
    const auto use = [&]() -> Status {
      const UniqueFd root = TRY(kernel.openat2(AT_FDCWD, "/", {.flags = O_PATH}));
      TRY(kernel.mount_setattr(root.get(), AT_RECURSIVE, {.propagation = 1UL << 18}));
      const UniqueFd context = TRY(kernel.fsopen("tmpfs"));
      TRY(kernel.fsconfig_string(context.get(), "size", "64k"));
      TRY(kernel.fsconfig_create(context.get()));
      const UniqueFd mount = TRY(kernel.fsmount(context.get(), MOUNT_ATTR_NOEXEC));
      TRY(kernel.mkdirat(mount.get(), "inside", 0700));
      const UniqueFd target = TRY(kernel.openat2(AT_FDCWD, "/mnt", {.flags = O_PATH}));
      TRY(kernel.move_mount(mount.get(), target.get()));
      TRY(kernel.fstatat(AT_FDCWD, "/mnt/inside", 0));
      TRY(kernel.mount_setattr(mount.get(), 0, {.attr_set = MOUNT_ATTR_RDONLY}));
      const Status refused = kernel.mkdirat(mount.get(), "late", 0700);
      if (refused || refused.error().sys_errno != EROFS) return internal("test", "not read-only");
      const UniqueFd picked = TRY(kernel.fspick(mount.get(), 0));
      TRY(kernel.fsconfig_string(picked.get(), "size", "128k"));
      TRY(kernel.fsconfig_reconfigure(picked.get()));
      TRY(kernel.fchdir(mount.get()));
      TRY(kernel.pivot_root_here());
      return kernel.unmount_here(/*MNT_DETACH=*/2);
    };
    const Status used = use();
    return used ? "" : used.error().message();
  });
  EXPECT_EQ(problem, "");
}

// errno alone would say "Invalid argument".
TEST(RealKernel, AContextSaysWhatItRefused) {
  RealKernel kernel;
  const auto context = kernel.fsopen("tmpfs");
  ASSERT_TRUE(context);
  const Status set = kernel.fsconfig_string(context->get(), "size", "much");
  ASSERT_FALSE(set);
  EXPECT_EQ(errno_of(set), EINVAL);
  EXPECT_NE(set.error().what.find("tmpfs: Bad value for 'size'"), std::string::npos)
      << set.error().what;
  EXPECT_FALSE(kernel.fsconfig_flag(context->get(), "no-such-option"));
}

TEST(RealKernel, GivesUpPrivileges) {
  const std::string problem = in_child(CLONE_NEWUTS, []() -> std::string {
    RealKernel kernel;
    const auto use = [&]() -> Status {
      TRY(kernel.sethostname("inside"));
      TRY(kernel.setdomainname("example"));
      TRY(kernel.setsid());
      TRY(kernel.setrlimit(RLIMIT_NOFILE, {.rlim_cur = 64, .rlim_max = 64}));
      TRY(kernel.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
      TRY(kernel.setgroups({4000, 4001}));
      TRY(kernel.setresgid(4000));
      TRY(kernel.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0));
      TRY(kernel.setresuid(4000));
      TRY(kernel.capset({.permitted = 1ULL << 40}));
      return kernel.capset({});
    };
    const Status used = use();
    if (!used) return used.error().message();
    if (::getuid() != 4000 || ::getegid() != 4000 || ::getgroups(0, nullptr) != 2) return "ids";
    const Status back = kernel.setresuid(0);
    return !back && back.error().sys_errno == EPERM ? "" : "root again";
  });
  EXPECT_EQ(problem, "");
}

TEST(RealKernel, LoadsSeccompPrograms) {
  const std::string problem = in_child(0, []() -> std::string {
    RealKernel kernel;
    // getppid(2) answers EDOM; everything else is allowed.
    const sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EDOM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const Status listener = kernel.seccomp_load(SECCOMP_FILTER_FLAG_NEW_LISTENER, program);
    if (listener || listener.error().sys_errno != EINVAL) return "a listener";
    if (!kernel.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) return "no_new_privs";
    const Status loaded = kernel.seccomp_load(0, program);
    if (!loaded) return loaded.error().message();
    return ::syscall(SYS_getppid) == -1 && errno == EDOM ? "" : "not filtered";
  });
  EXPECT_EQ(problem, "");
}

TEST(RealKernel, ExecutesByDescriptor) {
  const std::string problem = in_child(0, []() -> std::string {
    RealKernel kernel;
    const auto program = kernel.openat2(AT_FDCWD, "/bin/sh", {.flags = O_PATH});
    if (!program) return program.error().message();
    const std::vector<std::string> args = {"sh", "-c", "test \"$A\" = 'b c' && test $# -eq 1", "0",
                                           "1"};
    const Status run = kernel.execveat(program->get(), "", args, {"A=b c"}, AT_EMPTY_PATH);
    return run.error().message();
  });
  EXPECT_EQ(problem, "");
  RealKernel kernel;
  EXPECT_EQ(errno_of(kernel.execveat(AT_FDCWD, "/no/such", {"x"}, {}, 0)), ENOENT);
}

}  // namespace
}  // namespace casemate::sys
