#include "shim/fs/wipe.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/fs.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "shim/sys/real_kernel.h"

namespace casemate::fs {
namespace {

// A detached tmpfs; needs root, as the runtime does.
class WipeTest : public ::testing::Test {
 protected:
  WipeTest() {
    const UniqueFd fs(*kernel_.fsopen("tmpfs"));
    EXPECT_TRUE(kernel_.fsconfig_string(fs.get(), "huge", "within_size"));
    EXPECT_TRUE(kernel_.fsconfig_create(fs.get()));
    mount_ = std::move(*kernel_.fsmount(fs.get(), 0));
  }
  UniqueFd open(const std::string& path, int flags = O_RDWR | O_CREAT) {
    UniqueFd fd(::openat(mount_.get(), path.c_str(), flags | O_CLOEXEC, 0600));
    EXPECT_TRUE(fd) << path << ": " << strerror(errno);
    return fd;
  }
  // Writes a file and returns a descriptor by which its bytes stay visible.
  UniqueFd file(const std::string& path, std::size_t size) {
    UniqueFd fd = open(path);
    EXPECT_EQ(::ftruncate(fd.get(), static_cast<off_t>(size)), 0);
    const std::string bytes(size, 'S');
    EXPECT_EQ(::pwrite(fd.get(), bytes.data(), size, 0), static_cast<ssize_t>(size));
    return fd;
  }
  static bool all_zero(int fd) {
    struct stat facts{};
    ::fstat(fd, &facts);
    std::string bytes(static_cast<std::size_t>(facts.st_size), 'x');
    EXPECT_EQ(::pread(fd, bytes.data(), bytes.size(), 0), facts.st_size);
    return bytes.find_first_not_of('\0') == std::string::npos;
  }
  void make_read_only() {
    const UniqueFd super(*kernel_.fspick(mount_.get(), 0));
    ASSERT_TRUE(kernel_.fsconfig_flag(super.get(), "ro"));
    ASSERT_TRUE(kernel_.fsconfig_reconfigure(super.get()));
  }
  Wiped wipe() {
    const auto wiped = wipe_tree(kernel_, mount_.get());
    EXPECT_TRUE(wiped) << wiped.error().message();
    return wiped ? *wiped : Wiped{};
  }
  sys::RealKernel kernel_;
  UniqueFd mount_;
};

TEST_F(WipeTest, EmptyTree) {
  const auto wiped = wipe();
  EXPECT_EQ(wiped.files, 0U);
  EXPECT_EQ(wiped.bytes, 0U);
}

TEST_F(WipeTest, EverySizeBecomesZeroAndEveryNameGoes) {
  std::vector<UniqueFd> kept;
  ::mkdirat(mount_.get(), "d", 0700);
  for (const std::size_t size :
       {1U, 4095U, 4096U, 4097U, 65536U, 2'097'151U, 2'097'152U, 5'000'000U, 70'000'000U}) {
    const int fd = open("d/" + std::to_string(size)).release();
    kept.emplace_back(fd);
    const std::string bytes(size, 'S');
    ASSERT_EQ(::pwrite(fd, bytes.data(), size, 0), static_cast<ssize_t>(size));
  }
  const auto wiped = wipe();
  EXPECT_EQ(wiped.files, kept.size());
  EXPECT_GE(wiped.bytes, 79'000'000U);
  for (const auto& fd : kept) EXPECT_TRUE(all_zero(fd.get()));
  struct stat facts{};
  EXPECT_NE(::fstatat(mount_.get(), "d", &facts, 0), 0);
}

TEST_F(WipeTest, ReadOnlySuperblockIsMadeWritable) {
  {
    file("a", 10'000);
  }
  const UniqueFd kept = open("a", O_RDONLY);
  make_read_only();
  EXPECT_EQ(wipe().files, 1U);
  EXPECT_TRUE(all_zero(kept.get()));
}

TEST_F(WipeTest, SparseFilesAreOverwrittenOnlyWhereTheyHaveData) {
  const UniqueFd fd = open("sparse");
  ASSERT_EQ(::ftruncate(fd.get(), off_t{1} << 40), 0);
  ASSERT_EQ(::pwrite(fd.get(), "secret", 6, off_t{1} << 39), 6);
  const auto wiped = wipe();
  EXPECT_GE(wiped.bytes, 4096U);
  EXPECT_LE(wiped.bytes, std::uint64_t{4} << 20);
  char back[6] = {1};
  ASSERT_EQ(::pread(fd.get(), back, 6, off_t{1} << 39), 6);
  EXPECT_EQ(std::string(back, 6), std::string(6, '\0'));
}

TEST_F(WipeTest, BytesBehindTheEndOfTheFile) {
  const UniqueFd fd = file("short", 100);
  char* at =
      static_cast<char*>(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0));
  ASSERT_NE(at, MAP_FAILED);
  at[3000] = 'S';
  wipe();
  EXPECT_EQ(at[3000], '\0');
  ::munmap(at, 4096);
}

TEST_F(WipeTest, HardLinksFlagsModesAndSpecialFiles) {
  const UniqueFd one = file("x", 5000);
  ASSERT_EQ(::linkat(mount_.get(), "x", mount_.get(), "y", 0), 0);
  ASSERT_EQ(::symlinkat("/etc/passwd", mount_.get(), "link"), 0);
  ASSERT_EQ(::mkfifoat(mount_.get(), "fifo", 0600), 0);
  ::mkdirat(mount_.get(), "locked", 0700);
  const UniqueFd two = file("locked/immutable", 5000);
  int flags = FS_IMMUTABLE_FL;
  ASSERT_EQ(::ioctl(two.get(), FS_IOC_SETFLAGS, &flags), 0);
  const UniqueFd dir = open("locked", O_RDONLY | O_DIRECTORY);
  ASSERT_EQ(::ioctl(dir.get(), FS_IOC_SETFLAGS, &flags), 0);
  const UniqueFd three = file("append", 5000);
  flags = FS_APPEND_FL;
  ASSERT_EQ(::ioctl(three.get(), FS_IOC_SETFLAGS, &flags), 0);
  ASSERT_EQ(::fchmodat(mount_.get(), "x", 0, 0), 0);
  EXPECT_EQ(wipe().files, 3U);
  for (const UniqueFd* fd : {&one, &two, &three}) EXPECT_TRUE(all_zero(fd->get()));
}

// Another process's mount namespace in which the tmpfs stands, with host files mounted below it.
class CoveredWipe : public WipeTest {
 protected:
  CoveredWipe() {
    std::string name = "/tmp/casemate-wipe-XXXXXX";
    host_ = ::mkdtemp(name.data());
    std::filesystem::create_directories(host_ + "/place");
    std::filesystem::create_directories(host_ + "/results");
    std::ofstream(host_ + "/results/model") << kModel;
  }
  ~CoveredWipe() override {
    if (holder_ > 0) ::kill(holder_, SIGKILL);
    if (holder_ > 0) ::waitpid(holder_, nullptr, 0);
    std::filesystem::remove_all(host_);
  }
  // `source` of the host over `name` of the tmpfs, as an unsafe bind of a job is.
  void cover(const std::string& source, const std::string& name) {
    int ready[2];
    ASSERT_EQ(::pipe2(ready, O_CLOEXEC), 0);
    holder_ = ::fork();
    if (holder_ == 0) {
      const std::string place = host_ + "/place";
      const bool stands =
          ::unshare(CLONE_NEWNS) == 0 &&
          ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
          ::syscall(SYS_move_mount, mount_.get(), "", AT_FDCWD, place.c_str(),
                    MOVE_MOUNT_F_EMPTY_PATH) == 0 &&
          ::mount(source.c_str(), (place + "/" + name).c_str(), nullptr, MS_BIND, nullptr) == 0;
      (void)!::write(ready[1], stands ? "y" : "n", 1);
      for (;;) ::pause();
    }
    ::close(ready[1]);
    char answer = 0;
    ASSERT_EQ(::read(ready[0], &answer, 1), 1);
    ::close(ready[0]);
    ASSERT_EQ(answer, 'y');
  }
  std::string model() const {
    std::ifstream file(host_ + "/results/model", std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  static constexpr const char* kModel = "the results of a week";
  std::string host_;
  pid_t holder_ = -1;
};

TEST_F(CoveredWipe, AFolderOfTheHostBelowIsLeftAlone) {
  ::mkdirat(mount_.get(), "output", 0700);
  ::mkdirat(mount_.get(), "d", 0700);
  const UniqueFd kept = file("d/secret", 10'000);
  cover(host_ + "/results", "output");
  EXPECT_EQ(wipe().files, 1U);
  EXPECT_TRUE(all_zero(kept.get()));
  EXPECT_EQ(model(), kModel);
}

TEST_F(CoveredWipe, AFolderDeepDownToo) {
  ::mkdirat(mount_.get(), "d", 0700);
  ::mkdirat(mount_.get(), "d/output", 0700);
  cover(host_ + "/results", "d/output");
  EXPECT_EQ(wipe().files, 0U);
  EXPECT_EQ(model(), kModel);
}

TEST_F(CoveredWipe, WhatLiesBeneathIsToldAbout) {
  ::mkdirat(mount_.get(), "output", 0700);
  file("output/secret", 100);
  cover(host_ + "/results", "output");
  const auto wiped = wipe_tree(kernel_, mount_.get());
  ASSERT_FALSE(wiped);
  EXPECT_EQ(wiped.error().rule, "wipe.incomplete");
  EXPECT_EQ(model(), kModel);
}

TEST_F(CoveredWipe, AFileOfTheHostIsLeftAloneAndTheWipeNotClaimed) {
  file("output", 100);
  const UniqueFd kept = file("secret", 10'000);
  cover(host_ + "/results/model", "output");
  const auto wiped = wipe_tree(kernel_, mount_.get());
  ASSERT_FALSE(wiped);
  EXPECT_EQ(wiped.error().rule, "wipe.incomplete");
  EXPECT_EQ(model(), kModel);
  EXPECT_TRUE(all_zero(kept.get())) << "the rest is overwritten all the same";
}

TEST_F(CoveredWipe, ADeviceOverAFileOfTheJobIsNotClaimedEither) {
  file("output", 100);
  cover("/dev/null", "output");
  const auto wiped = wipe_tree(kernel_, mount_.get());
  ASSERT_FALSE(wiped);
  EXPECT_EQ(wiped.error().rule, "wipe.incomplete");
}

TEST_F(WipeTest, DeeperThanAnyPathAndWiderThanABatch) {
  // 5000 levels: far beyond PATH_MAX and any descriptor limit.
  UniqueFd at(::fcntl(mount_.get(), F_DUPFD_CLOEXEC, 3));
  for (int level = 0; level < 5000; ++level) {
    ASSERT_EQ(::mkdirat(at.get(), "deep", 0700), 0);
    at = UniqueFd(::openat(at.get(), "deep", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  UniqueFd deepest(::openat(at.get(), "f", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  ASSERT_EQ(::write(deepest.get(), "secret", 6), 6);
  for (int i = 0; i < 6000; ++i) open("w" + std::to_string(i));
  ::mkdirat(mount_.get(), ".wipe-0", 0700);
  ::mkdirat(mount_.get(), ".wipe-0/.wipe-1", 0700);
  {
    file(".wipe-2", 10);
  }
  const auto wiped = wipe();
  EXPECT_EQ(wiped.files, 6002U);
  EXPECT_TRUE(all_zero(deepest.get()));
}

}  // namespace
}  // namespace casemate::fs
