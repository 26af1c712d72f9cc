#include "shim/base/secret_bytes.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <sstream>
#include <type_traits>

namespace casemate {
namespace {

static_assert(!std::is_copy_constructible_v<SecretBytes>);
static_assert(!std::is_copy_assignable_v<SecretBytes>);

SecretBytes filled(std::size_t size, int byte) {
  auto secret = SecretBytes::allocate(size);
  EXPECT_TRUE(secret) << secret.error().message();
  std::memset(secret->data(), byte, size);
  return std::move(*secret);
}

TEST(SecretBytes, BeginsAsZeros) {
  const auto secret = SecretBytes::allocate(5000);
  ASSERT_TRUE(secret) << secret.error().message();
  EXPECT_EQ(secret->size(), 5000U);
  EXPECT_TRUE(std::ranges::all_of(secret->bytes(), [](std::byte b) { return b == std::byte{0}; }));
  EXPECT_TRUE(SecretBytes::allocate(0)->empty());
  EXPECT_TRUE(SecretBytes().empty());
}

TEST(SecretBytes, RefusesSizesThatCannotBeLocked) {
  EXPECT_FALSE(SecretBytes::allocate(SIZE_MAX));
  EXPECT_FALSE(SecretBytes::allocate(SIZE_MAX / 2));
}

TEST(SecretBytes, Moves) {
  SecretBytes first = filled(32, 'a');
  const unsigned char* const at = first.data();
  SecretBytes second = std::move(first);
  EXPECT_TRUE(first.empty());  // NOLINT(bugprone-use-after-move): what moving leaves is the point
  EXPECT_EQ(second.data(), at);
  SecretBytes third = filled(16, 'b');
  third = std::move(second);
  EXPECT_EQ(third.data(), at);
  EXPECT_EQ(third.size(), 32U);
}

TEST(SecretBytes, ShrinkWipesTheTail) {
  SecretBytes secret = filled(64, 'x');
  const unsigned char* const at = secret.data();
  secret.shrink(10);
  EXPECT_EQ(secret.size(), 10U);
  EXPECT_EQ(at[9], 'x');
  for (int i = 10; i < 64; ++i) EXPECT_EQ(at[i], 0) << i;
  secret.shrink(64);
  EXPECT_EQ(secret.size(), 10U);
}

TEST(SecretBytes, ComparesByValue) {
  EXPECT_TRUE(equal(filled(32, 'a'), filled(32, 'a')));
  EXPECT_FALSE(equal(filled(32, 'a'), filled(32, 'b')));
  EXPECT_FALSE(equal(filled(32, 'a'), filled(31, 'a')));
  EXPECT_TRUE(equal(SecretBytes(), SecretBytes()));
}

// A forked child either has no such page (it ends by a signal) or reads zeros: never the secret.
TEST(SecretBytes, IsNotInheritedByAFork) {
  const SecretBytes secret = filled(32, 's');
  const pid_t child = ::fork();
  ASSERT_NE(child, -1);
  if (child == 0) {
    ::signal(SIGSEGV, SIG_DFL);  // a sanitizer would report it as an exit
    ::_exit(*static_cast<const volatile unsigned char*>(secret.data()) == 's' ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status) || WEXITSTATUS(status) == 0) << status;
  EXPECT_EQ(secret.data()[0], 's');
}

// The mapping that holds the secret is locked and left out of core dumps ("lo" and "dd").
TEST(SecretBytes, IsLockedAndNotDumped) {
  const SecretBytes secret = filled(32, 's');
  std::ostringstream start;
  start << std::hex << reinterpret_cast<std::uintptr_t>(secret.data()) << '-';
  std::ifstream maps("/proc/self/smaps");
  std::string line;
  while (std::getline(maps, line) && line.find(start.str()) != 0) {
  }
  while (std::getline(maps, line) && !line.starts_with("VmFlags:")) {
  }
  EXPECT_NE(line.find(" lo"), std::string::npos) << line;
  EXPECT_NE(line.find(" dd"), std::string::npos) << line;
}

}  // namespace
}  // namespace casemate
