#include "shim/seccomp/cache.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/seccomp.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <random>

#include "shim/base/encoding.h"
#include "shim/seccomp/evaluate.h"
#include "shim/sys/real_kernel.h"
#include "tests/unit/seccomp/profiles.h"

namespace casemate::seccomp {
namespace {

class SeccompCache : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/casemate-seccomp-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    path_ = name;
    dir_ = UniqueFd(::open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    ASSERT_TRUE(dir_);
  }
  void TearDown() override { std::filesystem::remove_all(path_); }

  std::string file() const { return path_ + "/" + cache_key(engine_profile()); }
  std::string content() const {
    std::ifstream in(file(), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void replace(const std::string& bytes) const {
    std::ofstream(file(), std::ios::binary | std::ios::trunc) << bytes;
  }
  std::uint32_t answer_to_mount() {
    const auto program = load_or_compile(kernel_, dir_.get(), engine_profile());
    EXPECT_TRUE(program) << program.error().message();
    return program ? evaluate(*program, native_call(SYS_mount)).value() : 0;
  }
  // A cache file with another program and a digest that fits it: only a reader that does not
  // compile returns that program.
  std::string with_program(const sock_filter& one) const {
    std::string bytes = content();
    bytes.resize(bytes.find('\n') + 1 + 64);
    bytes.append(reinterpret_cast<const char*>(&one), sizeof one);
    const Sha256 digest = sha256(as_bytes(bytes));
    return bytes.append(as_text(digest));
  }

  std::string path_;
  UniqueFd dir_;
  sys::RealKernel kernel_;
};

constexpr std::uint32_t kDenied = SECCOMP_RET_ERRNO | EPERM;

TEST_F(SeccompCache, SecondLookupDoesNotCompile) {
  EXPECT_EQ(answer_to_mount(), kDenied);
  struct stat info{};
  ASSERT_EQ(::stat(file().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  const auto again = load_or_compile(kernel_, dir_.get(), engine_profile());
  const auto direct = compile(engine_profile());
  ASSERT_TRUE(again && direct);
  ASSERT_EQ(again->size(), direct->size());
  EXPECT_EQ(std::memcmp(again->data(), direct->data(), again->size() * sizeof(sock_filter)), 0);

  replace(with_program(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP)));
  EXPECT_EQ(answer_to_mount(), SECCOMP_RET_TRAP);
}

TEST_F(SeccompCache, DamagedFilesAreIgnoredAndRewritten) {
  ASSERT_EQ(answer_to_mount(), kDenied);
  const std::string good = content();
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    std::string bad = good;
    switch (random() % 4) {
      case 0:
        bad[random() % bad.size()] ^= static_cast<char>(1 + random() % 255);
        break;
      case 1:
        bad.resize(random() % bad.size());
        break;
      case 2:
        bad += "x";
        break;
      default:
        bad.erase(random() % bad.size(), 8);
        break;
    }
    replace(bad);
    ASSERT_EQ(answer_to_mount(), kDenied) << round;
    ASSERT_EQ(content(), good) << round;
  }
}

TEST_F(SeccompCache, InvalidProgramWithAGoodDigestIsIgnored) {
  ASSERT_EQ(answer_to_mount(), kDenied);
  replace(with_program(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 4)));  // no return
  EXPECT_EQ(answer_to_mount(), kDenied);
}

TEST_F(SeccompCache, AnotherKeysFileIsIgnored) {
  ASSERT_EQ(answer_to_mount(), kDenied);
  const oci::Seccomp open{.default_action = "SCMP_ACT_ALLOW"};
  ASSERT_TRUE(load_or_compile(kernel_, dir_.get(), open));
  std::filesystem::copy_file(path_ + "/" + cache_key(open), file(),
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_EQ(answer_to_mount(), kDenied);
}

TEST_F(SeccompCache, DirectoryOpenToOthersIsRefused) {
  ASSERT_EQ(::chmod(path_.c_str(), 0755), 0);
  const auto program = load_or_compile(kernel_, dir_.get(), engine_profile());
  ASSERT_FALSE(program);
  EXPECT_EQ(program.error().rule, "seccomp.cache-dir");
}

TEST_F(SeccompCache, UnwritableCacheCostsOnlyTime) {
  std::filesystem::create_directory(file());  // neither readable as a file nor replaceable
  EXPECT_EQ(answer_to_mount(), kDenied);
}

TEST(SeccompCacheKey, EveryFieldCounts) {
  const oci::Seccomp base = engine_profile();
  const std::function<void(oci::Seccomp&)> changes[] = {
      [](auto& s) { s.default_action = "SCMP_ACT_KILL"; },
      [](auto& s) { s.default_errno_ret = 0; },
      [](auto& s) { s.architectures.pop_back(); },
      [](auto& s) { s.flags.push_back("SECCOMP_FILTER_FLAG_LOG"); },
      [](auto& s) { s.syscalls.pop_back(); },
      [](auto& s) { s.syscalls[0].names[0] = "accept4"; },
      [](auto& s) { std::swap(s.syscalls[0], s.syscalls[1]); },
      [](auto& s) { s.syscalls[1].args[0].index = 1; },
      [](auto& s) { s.syscalls[1].args[0].value = 99; },
      [](auto& s) { s.syscalls[1].args[0].value_two = 1; },
      [](auto& s) { s.syscalls[1].args[0].op = "SCMP_CMP_NE"; },
      [](auto& s) { s.syscalls[0].action = "SCMP_ACT_LOG"; },
      [](auto& s) { s.syscalls.back().errno_ret = 1; },
      [](auto& s) { s.syscalls[0].names[0] += s.syscalls[0].names[1]; },
  };
  std::set<std::string> keys = {cache_key(base), cache_key(base, {.native_only = true})};
  for (const auto& change : changes) {
    oci::Seccomp other = base;
    change(other);
    keys.insert(cache_key(other));
  }
  EXPECT_EQ(keys.size(), std::size(changes) + 2);
  EXPECT_EQ(cache_key(base), cache_key(engine_profile()));
  EXPECT_EQ(cache_key(base).size(), 64u);
}

}  // namespace
}  // namespace casemate::seccomp
