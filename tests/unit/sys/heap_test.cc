#include "shim/sys/heap.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cstdlib>
#include <cstring>

#include "shim/sys/random.h"
#include "tests/unit/sys/in_child.h"

namespace casemate::sys {
namespace {

#ifndef __SANITIZE_ADDRESS__  // which has a heap of its own
constexpr std::size_t kBytes = 4 << 20;

long faults() {
  rusage usage = {};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_minflt;
}

// How many page faults it takes to fill that much of the heap, in pieces.
long faults_of_filling() {
  const long before = faults();
  for (std::size_t filled = 0; filled < kBytes / 2; filled += 1000)
    std::memset(std::malloc(1000), 1, 1000);
  return faults() - before;
}

TEST(PopulateHeap, ItsPagesAreThere) {
  EXPECT_EQ(in_child(0,
                     [] {
                       const long without = faults_of_filling();
                       populate_heap(kBytes);
                       const long with = faults_of_filling();
                       const bool fewer = 4 * with < without;  // of 512 pages
                       return fewer ? std::string()
                                    : std::to_string(without) + " and " + std::to_string(with);
                     }),
            "");
}
#endif

TEST(RandomHex, IsAsLongAsAskedForAndNeverTheSame) {
  const auto one = random_hex(16);
  const auto other = random_hex(16);
  ASSERT_TRUE(one && other);
  EXPECT_EQ(one->size(), 32u);
  EXPECT_NE(*one, *other);
  EXPECT_EQ(one->find_first_not_of("0123456789abcdef"), std::string::npos);
}

}  // namespace
}  // namespace casemate::sys
