#include "shim/fs/host_file.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "shim/sys/faulty_kernel.h"
#include "shim/sys/real_kernel.h"
#include "tests/unit/base/outcome.h"
#include "tests/unit/fs/scratch.h"

namespace casemate::fs {
namespace {

class HostFileTest : public ::testing::Test {
 protected:
  mode_t mode_of(const std::string& name) const {
    struct stat facts = {};
    EXPECT_EQ(::stat((scratch_ / name).c_str(), &facts), 0);
    return facts.st_mode & 07777;
  }
  std::ptrdiff_t entries(const std::string& name) const {
    const std::filesystem::directory_iterator all(scratch_ / name);
    return std::distance(begin(all), end(all));
  }

  Scratch scratch_;
  sys::RealKernel kernel_;
};

TEST_F(HostFileTest, ReadsUpToTheLimit) {
  const std::string text(100000, 'x');
  scratch_.write("file", text);
  EXPECT_EQ(read_file(kernel_, scratch_ / "file", text.size()).value(), text);
  const auto larger = read_file(kernel_, scratch_ / "file", text.size() - 1);
  ASSERT_FALSE(larger);
  EXPECT_EQ(rule_of(larger), "host.file-size");
  scratch_.write("empty", "");
  EXPECT_EQ(read_file(kernel_, scratch_ / "empty", 0).value(), "");
}

// Files of procfs say that they are empty.
TEST_F(HostFileTest, ReadsWhatHasNoSize) {
  EXPECT_FALSE(read_file(kernel_, "/proc/self/status", 65536)->empty());
  EXPECT_EQ(rule_of(read_file(kernel_, "/proc/self/status", 10)), "host.file-size");
}

TEST_F(HostFileTest, ReadsOnlyRegularFiles) {
  ASSERT_EQ(::mkfifo((scratch_ / "fifo").c_str(), 0600), 0);
  for (const std::string& path : {scratch_ / "fifo", scratch_.path(), std::string("/dev/zero")}) {
    const auto text = read_file(kernel_, path, 100);
    ASSERT_FALSE(text) << path;
    EXPECT_EQ(rule_of(text), "host.file-kind") << path;
  }
  EXPECT_EQ(errno_of(read_file(kernel_, scratch_ / "absent", 100)), ENOENT);
}

// A default may stand in for what nobody put there, and for nothing else.
TEST_F(HostFileTest, AbsentIsNotUnreachable) {
  EXPECT_TRUE(is_absent(kernel_, scratch_ / "no/such/file"));
  scratch_.write("file", "");
  EXPECT_FALSE(is_absent(kernel_, scratch_ / "file"));
  EXPECT_FALSE(is_absent(kernel_, scratch_ / "file/below"));
  ASSERT_EQ(::symlink("/nowhere/config", (scratch_ / "link").c_str()), 0);
  EXPECT_FALSE(is_absent(kernel_, scratch_ / "link"));
  EXPECT_FALSE(is_absent(kernel_, scratch_ / "link/config.json"));
}

TEST_F(HostFileTest, TrustsOnlyWhatRootAloneCanChange) {
  scratch_.write("file", "text");
  const std::string path = scratch_ / "file";
  for (const mode_t mode : {0600U, 0644U, 0755U, 0400U}) {
    ASSERT_EQ(::chmod(path.c_str(), mode), 0);
    EXPECT_EQ(read_trusted_file(kernel_, path, 100).value(), "text") << mode;
  }
  for (const mode_t mode : {0664U, 0646U, 0666U, 0620U}) {
    ASSERT_EQ(::chmod(path.c_str(), mode), 0);
    const auto text = read_trusted_file(kernel_, path, 100);
    ASSERT_FALSE(text) << mode;
    EXPECT_EQ(rule_of(text), "host.file-owner");
    EXPECT_EQ(text.error().cls, ErrorClass::denied);
  }
  ASSERT_EQ(::chmod(path.c_str(), 0600), 0);
  ASSERT_EQ(::chown(path.c_str(), 1000, 0), 0);
  EXPECT_EQ(rule_of(read_trusted_file(kernel_, path, 100)), "host.file-owner");
}

TEST_F(HostFileTest, WritesWholeFilesWithTheirMode) {
  const mode_t before = ::umask(077);
  EXPECT_TRUE(write_atomically(kernel_, scratch_ / "root/new", "one", 0644));
  ::umask(before);
  EXPECT_EQ(scratch_.read("root/new"), "one");
  EXPECT_EQ(mode_of("root/new"), 0644U);
  EXPECT_TRUE(write_durably(kernel_, scratch_ / "root/new", "two", 0600));
  EXPECT_EQ(scratch_.read("root/new"), "two");
  EXPECT_EQ(mode_of("root/new"), 0600U);
  EXPECT_EQ(entries("root"), 1);
}

// The name is replaced, not what a link of that name leads to.
TEST_F(HostFileTest, DoesNotWriteThroughLinks) {
  scratch_.link("../outside/canary", "root/link");
  EXPECT_TRUE(write_atomically(kernel_, scratch_ / "root/link", "new", 0600));
  EXPECT_EQ(scratch_.read("root/link"), "new");
  EXPECT_TRUE(scratch_.outside_is_untouched());
}

TEST_F(HostFileTest, TakesPlainNamesOnly) {
  const UniqueFd dir = scratch_.open_root();
  for (const char* name : {"", ".", "..", "a/b", "../outside/canary", "/etc/x"}) {
    const Status written = write_atomically_at(kernel_, dir.get(), name, "x", 0600);
    ASSERT_FALSE(written) << name;
    EXPECT_EQ(rule_of(written), "host.file-name") << name;
  }
  EXPECT_TRUE(scratch_.outside_is_untouched());
}

// Whichever call fails, the old text stays (or, after the rename, the new one) and nothing lies
// beside it.
TEST_F(HostFileTest, AFailedWriteLeavesTheOldText) {
  sys::FaultyKernel faulty(kernel_);
  scratch_.write("root/file", "old");
  ASSERT_TRUE(write_durably(faulty, scratch_ / "root/other", "x", 0600));
  std::filesystem::remove(scratch_ / "root/other");
  const std::size_t calls = faulty.calls();
  ASSERT_GE(calls, 7U);
  bool renamed = false;
  for (std::size_t number = 1; number < calls; ++number) {  // the last one syncs the rename
    faulty.reset();
    faulty.fail_call(number, EIO);
    const Status written = write_durably(faulty, scratch_ / "root/file", "new", 0600);
    ASSERT_FALSE(written) << number;
    EXPECT_EQ(errno_of(written), EIO);
    EXPECT_EQ(scratch_.read("root/file"), renamed ? "new" : "old") << faulty.made()[number - 1];
    renamed = renamed || faulty.made()[number - 1].starts_with("renameat");
    EXPECT_EQ(entries("root"), 1) << faulty.made()[number - 1];
  }
  faulty.reset();
  faulty.fail_call(calls, EIO);
  EXPECT_FALSE(write_durably(faulty, scratch_ / "root/file", "new", 0600));
}

TEST_F(HostFileTest, ReadersSeeOldOrNewNeverAPart) {
  const std::string a(20000, 'a');
  const std::string b(30000, 'b');
  scratch_.write("root/file", a);
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    sys::RealKernel kernel;
    for (bool odd = true; !stop; odd = !odd)
      EXPECT_TRUE(write_atomically(kernel, scratch_ / "root/file", odd ? b : a, 0600));
  });
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(300);
  while (std::chrono::steady_clock::now() < until) {
    const auto text = read_file(kernel_, scratch_ / "root/file", 1 << 20);
    EXPECT_TRUE(text && (*text == a || *text == b));
  }
  stop = true;
  writer.join();
}

TEST_F(HostFileTest, MakesDirectoriesWithTheirParents) {
  const auto made = make_directories(kernel_, scratch_ / "a//b/c/", 0700);
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_EQ(identity(made->get()), identity(scratch_ / "a/b/c"));
  EXPECT_EQ(mode_of("a"), 0700U);
  EXPECT_EQ(mode_of("a/b/c"), 0700U);
  EXPECT_EQ(identity(make_directories(kernel_, scratch_ / "a/b/c", 0755)->get()),
            identity(made->get()));
  EXPECT_EQ(mode_of("a/b/c"), 0700U);
  scratch_.write("file", "");
  EXPECT_EQ(errno_of(make_directories(kernel_, scratch_ / "file/x", 0700)), ENOTDIR);
  EXPECT_EQ(errno_of(open_directory(kernel_, scratch_ / "file")), ENOTDIR);
  EXPECT_EQ(errno_of(open_directory(kernel_, scratch_ / "absent")), ENOENT);
}

TEST_F(HostFileTest, WriteAllReportsWhatStops) {
  sys::FaultyKernel faulty(kernel_);
  const UniqueFd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  EXPECT_EQ(errno_of(write_all(faulty, full.get(), "text")), ENOSPC);
  EXPECT_TRUE(write_all(faulty, full.get(), ""));
}

}  // namespace
}  // namespace casemate::fs
