#include "shim/base/number.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>

namespace casemate {
namespace {

TEST(WholeNumber, IsTheWholeText) {
  EXPECT_EQ(whole_number<int>("0"), 0);
  EXPECT_EQ(whole_number<int>("-17"), -17);
  EXPECT_EQ(whole_number<std::uint64_t>("18446744073709551615"),
            std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(whole_number<double>("0.25"), 0.25);
  for (const char* text : {"", " ", "1 ", " 1", "+1", "1x", "0x10", "--1", "1.5", "1\n"})
    EXPECT_EQ(whole_number<int>(text), std::nullopt) << '"' << text << '"';
  EXPECT_EQ(whole_number<int>(std::string_view("1\0", 2)), std::nullopt);
}

TEST(WholeNumber, MustFit) {
  EXPECT_EQ(whole_number<std::uint8_t>("255"), 255);
  EXPECT_EQ(whole_number<std::uint8_t>("256"), std::nullopt);
  EXPECT_EQ(whole_number<unsigned>("-1"), std::nullopt);
  EXPECT_EQ(whole_number<std::int64_t>("9223372036854775808"), std::nullopt);
}

}  // namespace
}  // namespace casemate
