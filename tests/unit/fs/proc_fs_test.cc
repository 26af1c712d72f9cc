#include "shim/fs/proc_fs.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/utsname.h>

#include "shim/sys/faulty_kernel.h"
#include "shim/sys/real_kernel.h"
#include "tests/unit/base/outcome.h"
#include "tests/unit/sys/in_child.h"

namespace casemate::fs {
namespace {

using sys::in_child;
constexpr std::uint64_t kOwnMounts = CLONE_NEWNS;

TEST(ProcFs, ReadsAndWrites) {
  sys::RealKernel kernel;
  const auto proc = ProcFs::open(kernel);
  ASSERT_TRUE(proc) << proc.error().message();
  const auto stat = proc->read("self/stat");
  ASSERT_TRUE(stat) << stat.error().message();
  EXPECT_TRUE(stat->starts_with(std::to_string(::getpid()) + " ("));
  const std::string name = proc->read("self/comm").value();
  ASSERT_TRUE(proc->write("self/comm", "renamed"));
  EXPECT_EQ(proc->read("self/comm").value(), "renamed\n");
  ASSERT_TRUE(proc->write("self/comm", name));
}

TEST(ProcFs, TheMountIsPrivate) {
  sys::RealKernel kernel;
  const std::string before = ProcFs::open(kernel)->read("self/mountinfo").value();
  const auto proc = ProcFs::open(kernel);
  EXPECT_EQ(proc->read("self/mountinfo").value(), before);
}

TEST(ProcFs, NeverLeavesProcfs) {
  sys::RealKernel kernel;
  const auto proc = ProcFs::open(kernel);
  ASSERT_TRUE(proc);
  for (const char* path :
       {"self/fd/0", "self/exe", "self/root", "self/root/etc/passwd", "self/cwd", "../etc/passwd",
        "/etc/passwd", "self/../../etc/passwd", "self/ns/mnt"}) {
    const auto file = proc->open_file(path, O_PATH);
    ASSERT_FALSE(file) << path;
    EXPECT_EQ(rule_of(file), "fs.link") << path;
  }
  EXPECT_EQ(errno_of(proc->open_file("self/absent", O_RDONLY)), ENOENT);
}

TEST(ProcFs, AFailedWriteNamesTheFile) {
  sys::RealKernel kernel;
  const auto proc = ProcFs::open(kernel);
  ASSERT_TRUE(proc);
  const Status written = proc->write("self/oom_score_adj", "not a number");
  ASSERT_FALSE(written);
  EXPECT_EQ(errno_of(written), EINVAL);
  EXPECT_NE(written.error().what.find("/proc/self/oom_score_adj"), std::string::npos);
}

// init of a container writes its labels before anything is mounted in its own namespaces.
TEST(ProcFs, WorksInAFreshPidNamespace) {
  const std::string problem = in_child(CLONE_NEWPID | kOwnMounts, []() -> std::string {
    sys::RealKernel kernel;
    const auto proc = ProcFs::open(kernel);
    if (!proc) return proc.error().message();
    const auto stat = proc->read("self/stat");
    if (!stat) return stat.error().message();
    return stat->starts_with("1 (") ? "" : *stat;
  });
  EXPECT_EQ(problem, "");
}

// Mounts a tmpfs with the given files over `target` in the caller's own mount namespace.
Status cover_by_tmpfs(sys::Kernel& kernel, const std::string& target,
                      const std::string& directory) {
  const UniqueFd context = TRY(kernel.fsopen("tmpfs"));
  TRY(kernel.fsconfig_create(context.get()));
  const UniqueFd mount = TRY(kernel.fsmount(context.get(), 0));
  if (!directory.empty()) TRY(kernel.mkdirat(mount.get(), directory, 0755));
  const UniqueFd at = TRY(kernel.openat2(AT_FDCWD, target, {.flags = O_PATH}));
  return kernel.move_mount(mount.get(), at.get());
}

Status make_mounts_private(sys::Kernel& kernel) {
  const UniqueFd root = TRY(kernel.openat2(AT_FDCWD, "/", {.flags = O_PATH}));
  return kernel.mount_setattr(root.get(), AT_RECURSIVE, {.propagation = 1UL << 18});  // MS_PRIVATE
}

// Runs `body` where a new procfs cannot be had and /proc must be used as it is.
std::string without_fsopen(const std::function<Status(sys::Kernel&)>& prepare,
                           const std::function<std::string(sys::Kernel&)>& body) {
  return in_child(kOwnMounts, [&]() -> std::string {
    sys::RealKernel kernel;
    Status ready = make_mounts_private(kernel);
    if (ready) ready = prepare(kernel);
    if (!ready) return ready.error().message();
    sys::FaultyKernel faulty(kernel);
    faulty.fail_every("fsopen", EPERM);
    return body(faulty);
  });
}

std::string rule_of_open(sys::Kernel& kernel) {
  const auto proc = ProcFs::open(kernel);
  return proc ? "opened" : proc.error().rule;
}

TEST(ProcFs, FallsBackToTheHostsProc) {
  const auto nothing = [](sys::Kernel&) { return Status(); };
  EXPECT_EQ(without_fsopen(nothing, rule_of_open), "opened");
}

// CVE-2019-16884: an image's volume over /proc.
TEST(ProcFs, RefusesATmpfsInItsPlace) {
  const auto cover = [](sys::Kernel& kernel) { return cover_by_tmpfs(kernel, "/proc", "self"); };
  EXPECT_EQ(without_fsopen(cover, rule_of_open), "proc.fake");
}

TEST(ProcFs, RefusesAPartOfProcfsInItsPlace) {
  const auto cover = [](sys::Kernel& kernel) -> Status {
    const UniqueFd part = TRY(kernel.open_tree(AT_FDCWD, "/proc/1", OPEN_TREE_CLONE));
    const UniqueFd at = TRY(kernel.openat2(AT_FDCWD, "/proc", {.flags = O_PATH}));
    return kernel.move_mount(part.get(), at.get());
  };
  EXPECT_EQ(without_fsopen(cover, rule_of_open), "proc.fake");
}

// CVE-2025-52881: the root is real, a directory in it is not.
TEST(ProcFs, DoesNotCrossIntoWhatIsMountedInside) {
  const auto cover = [](sys::Kernel& kernel) {
    return cover_by_tmpfs(kernel, "/proc/sys", "kernel");
  };
  const auto look = [](sys::Kernel& kernel) -> std::string {
    const auto proc = ProcFs::open(kernel);
    if (!proc) return proc.error().message();
    const auto file = proc->open_file("sys/kernel", O_PATH);
    return file ? "crossed" : file.error().rule;
  };
  EXPECT_EQ(without_fsopen(cover, look), "fs.link");
}

TEST(ProcFs, APrivateMountSeesThroughWhatIsMountedInside) {
  const std::string problem = in_child(kOwnMounts, []() -> std::string {
    sys::RealKernel kernel;
    Status ready = make_mounts_private(kernel);
    if (ready) ready = cover_by_tmpfs(kernel, "/proc", "self");
    if (!ready) return ready.error().message();
    const auto proc = ProcFs::open(kernel);
    if (!proc) return proc.error().message();
    utsname facts = {};
    ::uname(&facts);
    const auto release = proc->read("sys/kernel/osrelease");
    if (!release) return release.error().message();
    return *release == std::string(facts.release) + "\n" ? "" : *release;
  });
  EXPECT_EQ(problem, "");
}

// A kernel that claims to have opened something hands out what is not procfs.
TEST(ProcFs, NoticesAnOpenThatDidNotHappen) {
  sys::RealKernel kernel;
  sys::FaultyKernel faulty(kernel);
  const auto proc = ProcFs::open(faulty);
  ASSERT_TRUE(proc);
  faulty.pretend_every("openat2");
  EXPECT_EQ(rule_of(proc->write("self/comm", "x")), "proc.fake");
  faulty.reset();
  faulty.pretend_every("fsmount");
  EXPECT_EQ(rule_of(ProcFs::open(faulty)), "proc.fake");
}

TEST(ProcFs, EveryFailingCallIsReported) {
  sys::RealKernel kernel;
  sys::FaultyKernel faulty(kernel);
  const auto use = [&]() -> Status {
    const ProcFs proc = TRY(ProcFs::open(faulty));
    return proc.write("self/comm", TRY(proc.read("self/comm")));
  };
  ASSERT_TRUE(use());
  const std::size_t calls = faulty.calls();
  for (std::size_t number = 1; number <= calls; ++number) {
    faulty.reset();
    faulty.fail_call(number, EIO);
    const Status used = use();
    ASSERT_FALSE(used) << faulty.made().back();
    EXPECT_EQ(errno_of(used), EIO) << faulty.made().back();
  }
}

}  // namespace
}  // namespace casemate::fs
