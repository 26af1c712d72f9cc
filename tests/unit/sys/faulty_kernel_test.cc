#include "shim/sys/faulty_kernel.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shim/sys/real_kernel.h"
#include "tests/unit/base/outcome.h"

namespace casemate::sys {
namespace {

TEST(FaultyKernel, FailsTheChosenCallOnly) {
  RealKernel real;
  FaultyKernel kernel(real);
  kernel.fail_call(2, EACCES);
  const open_how path = {.flags = O_PATH};
  EXPECT_TRUE(kernel.openat2(AT_FDCWD, "/", path));
  const auto second = kernel.openat2(AT_FDCWD, "/", path);
  ASSERT_FALSE(second);
  EXPECT_EQ(rule_of(second), "system.call");
  EXPECT_EQ(errno_of(second), EACCES);
  EXPECT_TRUE(kernel.openat2(AT_FDCWD, "/", path));
  EXPECT_EQ(kernel.calls(), 3U);
  EXPECT_EQ(kernel.made().at(1), "openat2 / PATH");
}

TEST(FaultyKernel, FailsEveryCallOfAName) {
  RealKernel real;
  FaultyKernel kernel(real);
  kernel.fail_every("fsopen", ENOSYS);
  kernel.pretend_call(2);
  EXPECT_EQ(errno_of(kernel.fsopen("tmpfs")), ENOSYS);
  EXPECT_TRUE(kernel.fsopen("tmpfs"));  // the number decides
  EXPECT_EQ(errno_of(kernel.fsopen("tmpfs")), ENOSYS);
  EXPECT_TRUE(kernel.open_tree(AT_FDCWD, "/", 0));
}

TEST(FaultyKernel, PretendsWithoutDoing) {
  RealKernel real;
  FaultyKernel kernel(real);
  kernel.pretend_every("mkdirat");
  const std::string path = ::testing::TempDir() + "casemate-never-made";
  EXPECT_TRUE(kernel.mkdirat(AT_FDCWD, path, 0700));
  EXPECT_EQ(errno_of(kernel.fstatat(AT_FDCWD, path, 0)), ENOENT);
}

TEST(FaultyKernel, ResetForgetsFaultsAndCount) {
  RealKernel real;
  FaultyKernel kernel(real);
  kernel.fail_call(1, EIO);
  kernel.fail_every("fsopen", EIO);
  EXPECT_FALSE(kernel.fsopen("tmpfs"));
  kernel.reset();
  EXPECT_EQ(kernel.calls(), 0U);
  EXPECT_TRUE(kernel.fsopen("tmpfs"));
}

TEST(FaultyKernel, CloneIsMadeOrFails) {
  RealKernel real;
  FaultyKernel kernel(real);
  kernel.fail_call(1, EAGAIN);
  kernel.pretend_call(2);
  EXPECT_EQ(errno_of(kernel.clone3({})), EAGAIN);
  const auto child = kernel.clone3({});
  ASSERT_TRUE(child);
  if (child->pid == 0) ::_exit(0);
  EXPECT_GT(child->pid, 0);
  EXPECT_EQ(::waitpid(child->pid, nullptr, 0), child->pid);
}

}  // namespace
}  // namespace casemate::sys
