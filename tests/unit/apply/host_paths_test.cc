#include "shim/apply/host_paths.h"

#include <gtest/gtest.h>

#include "shim/sys/faulty_kernel.h"
#include "shim/sys/real_kernel.h"
#include "tests/unit/base/outcome.h"
#include "tests/unit/fs/scratch.h"

namespace casemate::apply {
namespace {

using fs::identity;
using fs::Scratch;

TEST(HostPaths, TellsWhereAPathLeads) {
  const Scratch scratch;
  scratch.write("root/file", "1");
  scratch.link("file", "root/link");
  sys::RealKernel kernel;
  HostPaths paths(kernel);
  ASSERT_TRUE(paths.open(scratch / "root/link"));
  ASSERT_TRUE(paths.open(scratch / "root/../root/file"));
  const std::string real = std::filesystem::canonical(scratch / "root/file");
  EXPECT_EQ(paths.resolved(),
            (std::map<std::string, std::string>{{scratch / "root/link", real},
                                                {scratch / "root/../root/file", real}}));
  EXPECT_EQ(identity(paths.fd(scratch / "root/link").value()), identity(real));
}

// What was judged is what is used, whatever has become of the name meanwhile.
TEST(HostPaths, AnExchangedFileChangesNothing) {
  const Scratch scratch;
  scratch.write("root/judged", "judged");
  scratch.write("root/evil", "evil");
  const std::string path = scratch / "root/judged";
  const auto judged = identity(path);
  sys::RealKernel kernel;
  HostPaths paths(kernel);
  ASSERT_TRUE(paths.open(path));
  std::filesystem::rename(scratch / "root/judged", scratch / "root/away");
  std::filesystem::rename(scratch / "root/evil", path);
  ASSERT_NE(identity(path), judged);
  ASSERT_TRUE(paths.open(path));  // once opened, it is not opened again
  EXPECT_EQ(identity(paths.fd(path).value()), judged);
}

TEST(HostPaths, AbsentPathsAreRemembered) {
  const Scratch scratch;
  scratch.write("root/file", "");
  sys::RealKernel kernel;
  HostPaths paths(kernel);
  for (const char* name : {"root/absent", "root/file/below"}) {
    ASSERT_TRUE(paths.open(scratch / name)) << name;
    const auto absent = paths.fd(scratch / name);
    EXPECT_EQ(rule_of(absent), "host.path") << name;
    EXPECT_EQ(errno_of(absent), ENOENT) << name;
  }
  EXPECT_TRUE(paths.resolved().empty());
  // Made after it was judged to be absent: still absent.
  scratch.write("root/absent", "late");
  ASSERT_TRUE(paths.open(scratch / "root/absent"));
  EXPECT_EQ(rule_of(paths.fd(scratch / "root/absent")), "host.path");
}

TEST(HostPaths, APathThatNobodyOpened) {
  sys::RealKernel kernel;
  const HostPaths paths(kernel);
  EXPECT_EQ(rule_of(paths.fd("/")), "host.path");
}

TEST(HostPaths, OtherFailuresAreErrors) {
  const Scratch scratch;
  scratch.link("loop", "root/loop");
  sys::RealKernel real;
  HostPaths paths(real);
  EXPECT_EQ(errno_of(paths.open(scratch / "root/loop")), ELOOP);
  sys::FaultyKernel kernel(real);
  kernel.fail_every("readlinkat", EIO);
  HostPaths blind(kernel);
  EXPECT_EQ(errno_of(blind.open("/")), EIO);
  EXPECT_FALSE(blind.fd("/"));
  EXPECT_TRUE(blind.resolved().empty());
}

}  // namespace
}  // namespace casemate::apply
