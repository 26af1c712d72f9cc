#include "shim/base/unique_fd.h"

#include <fcntl.h>
#include <gtest/gtest.h>

namespace casemate {
namespace {

bool is_open(int fd) {
  return ::fcntl(fd, F_GETFD) != -1;
}
UniqueFd some_fd() {
  return UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
}

TEST(UniqueFd, ClosesOnce) {
  int number = -1;
  {
    const UniqueFd fd = some_fd();
    number = fd.get();
    EXPECT_TRUE(fd);
    EXPECT_TRUE(is_open(number));
  }
  EXPECT_FALSE(is_open(number));
  EXPECT_FALSE(UniqueFd());
}

TEST(UniqueFd, MovesItsDescriptor) {
  UniqueFd first = some_fd();
  const int number = first.get();
  UniqueFd second = std::move(first);
  EXPECT_FALSE(first);  // NOLINT(bugprone-use-after-move): what moving leaves is the point
  EXPECT_EQ(second.get(), number);

  UniqueFd third = some_fd();
  const int replaced = third.get();
  third = std::move(second);
  EXPECT_FALSE(is_open(replaced));
  EXPECT_EQ(third.get(), number);
  EXPECT_TRUE(is_open(number));
}

TEST(UniqueFd, AssigningToItselfKeepsIt) {
  UniqueFd fd = some_fd();
  const int number = fd.get();
  UniqueFd& same = fd;
  fd = std::move(same);
  EXPECT_EQ(fd.get(), number);
  EXPECT_TRUE(is_open(number));
  fd.reset(number);
  EXPECT_TRUE(is_open(number));
}

TEST(UniqueFd, ReleaseGivesItAway) {
  UniqueFd fd = some_fd();
  const int number = fd.release();
  EXPECT_FALSE(fd);
  EXPECT_TRUE(is_open(number));
  ::close(number);
}

}  // namespace
}  // namespace casemate
