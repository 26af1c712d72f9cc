#include "shim/fs/safe_root.h"

#include <gtest/gtest.h>

#include "shim/sys/faulty_kernel.h"
#include "shim/sys/real_kernel.h"
#include "tests/unit/base/outcome.h"
#include "tests/unit/fs/scratch.h"

namespace casemate::fs {
namespace {

class SafeRootTest : public ::testing::Test {
 protected:
  void TearDown() override { EXPECT_TRUE(scratch_.outside_is_untouched()); }

  Scratch scratch_;
  sys::RealKernel kernel_;
  SafeRoot root_{kernel_, scratch_.open_root()};
};

TEST_F(SafeRootTest, OpensWhatIsInside) {
  scratch_.directory("root/etc");
  scratch_.write("root/etc/hosts", "inside");
  for (const char* path : {"/etc/hosts", "etc/hosts", "/etc/./hosts", "//etc//hosts"}) {
    const auto file = root_.open(path, O_RDONLY);
    ASSERT_TRUE(file) << path << ": " << file.error().message();
    EXPECT_EQ(identity(file->get()), identity(scratch_ / "root/etc/hosts"));
    EXPECT_NE(::fcntl(file->get(), F_GETFD) & FD_CLOEXEC, 0);
  }
  EXPECT_EQ(identity(root_.open("/", O_PATH)->get()), identity(root_.fd()));
}

TEST_F(SafeRootTest, LinksOfEveryKindStayInside) {
  scratch_.directory("root/etc");
  scratch_.directory("root/lib");
  scratch_.write("root/etc/hosts", "inside");
  scratch_.link("/etc/hosts", "root/absolute");
  scratch_.link("../../../../etc/hosts", "root/lib/climbing");
  scratch_.link("/../../etc", "root/directory");
  for (const char* path : {"/absolute", "/lib/climbing", "/directory/hosts", "/../../etc/hosts"}) {
    const auto file = root_.open(path, O_RDONLY);
    ASSERT_TRUE(file) << path << ": " << file.error().message();
    EXPECT_EQ(identity(file->get()), identity(scratch_ / "root/etc/hosts")) << path;
  }
}

TEST_F(SafeRootTest, LinksToTheHostFindNothing) {
  scratch_.link(scratch_ / "outside/canary", "root/absolute");
  scratch_.link("../outside/canary", "root/relative");
  scratch_.link(scratch_ / "outside", "root/directory");
  for (const char* path : {"/absolute", "/relative", "/directory/canary", "/../outside/canary"}) {
    const auto file = root_.open(path, O_RDONLY);
    ASSERT_FALSE(file) << path;
    EXPECT_EQ(errno_of(file), ENOENT) << path;
  }
}

TEST_F(SafeRootTest, NoFollowOpensTheLinkItself) {
  scratch_.link("/nowhere", "root/link");
  EXPECT_TRUE(root_.open("/link", O_PATH | O_NOFOLLOW));
  const auto file = root_.open("/link", O_RDONLY | O_NOFOLLOW);
  ASSERT_FALSE(file);
  EXPECT_EQ(rule_of(file), "fs.link");
}

TEST_F(SafeRootTest, LoopsAreDenied) {
  scratch_.link("b", "root/a");
  scratch_.link("a", "root/b");
  scratch_.link("self", "root/self");
  for (const char* path : {"/a", "/a/x", "/self/x"}) {
    EXPECT_EQ(rule_of(root_.open(path, O_PATH)), "fs.link") << path;
    EXPECT_EQ(rule_of(root_.make_directory(path)), "fs.link") << path;
    EXPECT_EQ(rule_of(root_.make_file(path)), "fs.link") << path;
  }
}

// A procfs in the root has links that jump to any open directory (CVE-2024-21626).
TEST(SafeRoot, MagicLinksAreDenied) {
  sys::RealKernel kernel;
  const UniqueFd host(::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  SafeRoot proc(kernel, UniqueFd(::open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC)));
  const std::string through = "/self/fd/" + std::to_string(host.get());
  for (const auto& path : {through, through + "/etc/passwd", std::string("/self/root"),
                           std::string("/self/cwd"), std::string("/self/exe")}) {
    const auto file = proc.open(path, O_PATH);
    ASSERT_FALSE(file) << path;
    EXPECT_EQ(rule_of(file), "fs.link") << path;
  }
  EXPECT_EQ(rule_of(proc.make_directory(through + "/casemate-escape")), "fs.link");
  EXPECT_EQ(rule_of(proc.make_file(through + "/casemate-escape")), "fs.link");
}

TEST_F(SafeRootTest, MakesDirectoriesWithTheirParents) {
  const auto made = root_.make_directory("/var/lib//./app/");
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_EQ(identity(made->get()), identity(scratch_ / "root/var/lib/app"));
  EXPECT_EQ(identity(root_.make_directory("var/lib/app")->get()), identity(made->get()));
  EXPECT_EQ(identity(root_.make_directory("/")->get()), identity(root_.fd()));
}

TEST_F(SafeRootTest, MakesBelowLinksInsideTheRoot) {
  scratch_.directory("root/real/deep");
  scratch_.link("/real", "root/absolute");
  scratch_.link("/absolute/deep", "root/chain");
  scratch_.link("../../../real", "root/real/climbing");
  const auto made = root_.make_directory("/chain/new/x");
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_EQ(identity(made->get()), identity(scratch_ / "root/real/deep/new/x"));
  ASSERT_TRUE(root_.make_directory("/real/climbing/other"));
  EXPECT_TRUE(scratch_.exists("root/real/other"));
  ASSERT_TRUE(root_.make_file("/absolute/file"));
  EXPECT_TRUE(scratch_.exists("root/real/file"));
}

// An absolute link to a host directory means the same path inside (CVE-2019-18837, CVE-2026-41579):
// nothing is there, and nothing is made there.
TEST_F(SafeRootTest, DanglingLinksAreDenied) {
  scratch_.link(scratch_ / "outside", "root/dev");
  scratch_.link("../outside/new", "root/relative");
  scratch_.link("missing", "root/missing-target");
  for (const char* path : {"/dev", "/dev/pts", "/relative", "/missing-target", "/dev/a/b"}) {
    EXPECT_EQ(rule_of(root_.make_directory(path)), "fs.dangling") << path;
    EXPECT_EQ(rule_of(root_.make_file(path)), "fs.dangling") << path;
  }
  EXPECT_FALSE(scratch_.exists("root/missing"));
}

TEST_F(SafeRootTest, DotDotIsDeniedWhereThingsAreMade) {
  for (const char* path :
       {"..", "/..", "/a/../b", "a/..", "../outside/x", "/a/b/../../../outside"}) {
    EXPECT_EQ(rule_of(root_.make_directory(path)), "fs.dotdot") << path;
    EXPECT_EQ(rule_of(root_.make_file(path)), "fs.dotdot") << path;
    EXPECT_EQ(rule_of(root_.make_parent(path)), "fs.dotdot") << path;
  }
  EXPECT_TRUE(root_.make_directory("/..."));
  EXPECT_FALSE(scratch_.exists("root/a"));
}

TEST_F(SafeRootTest, PathsWithNulAreRefused) {
  const std::string path("/a\0/../../outside", 17);
  EXPECT_EQ(rule_of(root_.open(path, O_PATH)), "fs.path");
  EXPECT_FALSE(root_.make_directory(std::string_view("/a\0b", 4)));
  EXPECT_FALSE(root_.make_file(std::string_view("/a\0b", 4)));
  EXPECT_FALSE(scratch_.exists("root/a"));
}

TEST_F(SafeRootTest, MakesFilesAndTakesExistingOnes) {
  const auto made = root_.make_file("/run/secrets/token");
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_EQ(identity(made->get()), identity(scratch_ / "root/run/secrets/token"));
  EXPECT_EQ(scratch_.read("root/run/secrets/token"), "");

  scratch_.write("root/existing", "text");
  scratch_.link("/existing", "root/link");
  ASSERT_TRUE(root_.make_file("/link"));
  EXPECT_EQ(scratch_.read("root/existing"), "text");

  ASSERT_EQ(::mkfifo((scratch_ / "root/fifo").c_str(), 0600), 0);
  EXPECT_TRUE(root_.make_file("/fifo"));  // neither opened for reading nor waited for
}

TEST_F(SafeRootTest, FilesAndDirectoriesAreNotMixedUp) {
  scratch_.directory("root/directory");
  scratch_.write("root/file", "text");
  EXPECT_EQ(rule_of(root_.make_file("/directory")), "fs.directory");
  EXPECT_EQ(rule_of(root_.make_file("/")), "fs.directory");
  EXPECT_EQ(errno_of(root_.make_directory("/file")), ENOTDIR);
  EXPECT_EQ(errno_of(root_.make_directory("/file/below")), ENOTDIR);
  EXPECT_EQ(errno_of(root_.make_file("/file/below")), ENOTDIR);
}

TEST_F(SafeRootTest, ParentAndNameArePartedOnTheWay) {
  const auto place = root_.make_parent("/dev/net/tun");
  ASSERT_TRUE(place) << place.error().message();
  EXPECT_EQ(place->name, "tun");
  EXPECT_EQ(identity(place->parent.get()), identity(scratch_ / "root/dev/net"));
  EXPECT_FALSE(scratch_.exists("root/dev/net/tun"));
  EXPECT_EQ(root_.make_parent("top")->name, "top");
  EXPECT_EQ(rule_of(root_.make_parent("/")), "fs.path");
  EXPECT_EQ(rule_of(root_.make_parent("")), "fs.path");
}

// Whichever call fails, the error comes out; whichever mkdirat lies, the reopening notices.
TEST_F(SafeRootTest, EveryFailingCallIsReported) {
  sys::FaultyKernel faulty(kernel_);
  SafeRoot root(faulty, scratch_.open_root());
  ASSERT_TRUE(root.make_file("/count/a/b"));
  const std::size_t calls = faulty.calls();
  ASSERT_GT(calls, 5U);
  for (std::size_t number = 1; number <= calls; ++number) {
    faulty.reset();
    faulty.fail_call(number, EIO);
    const auto made = root.make_file("/fail" + std::to_string(number) + "/a/b");
    ASSERT_FALSE(made) << faulty.made().back();
    EXPECT_EQ(errno_of(made), EIO) << faulty.made().back();
  }
  for (const char* call : {"mkdirat", "mknodat"}) {
    faulty.reset();
    faulty.pretend_every(call);
    EXPECT_FALSE(root.make_file(std::string("/lie-") + call + "/b")) << call;
  }
}

// EAGAIN (a rename while ".." is resolved) is retried, but not for ever.
TEST_F(SafeRootTest, EndlessRenamesAreDenied) {
  sys::FaultyKernel faulty(kernel_);
  const SafeRoot root(faulty, scratch_.open_root());
  faulty.fail_call(1, EAGAIN);
  faulty.fail_call(2, EAGAIN);
  EXPECT_TRUE(root.open("/", O_PATH));
  faulty.fail_every("openat2", EAGAIN);
  const auto opened = root.open("/", O_PATH);
  ASSERT_FALSE(opened);
  EXPECT_EQ(rule_of(opened), "fs.race");
  EXPECT_LT(faulty.calls(), 1000U);
}

}  // namespace
}  // namespace casemate::fs
