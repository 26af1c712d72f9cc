#include "shim/run/events.h"

#include <gtest/gtest.h>

#include "tests/unit/base/outcome.h"

namespace casemate::run {
namespace {

using namespace std::chrono_literals;

TEST(ParseInterval, AsGoWritesThem) {
  EXPECT_EQ(parse_interval("5s").value(), 5s);
  EXPECT_EQ(parse_interval("1m30s").value(), 90s);
  EXPECT_EQ(parse_interval("1.5h").value(), 90min);
  EXPECT_EQ(parse_interval("200ms").value(), 200ms);
  EXPECT_EQ(parse_interval("2000000ns").value(), 2ms);
  EXPECT_EQ(parse_interval("24h").value(), 24h);
}

TEST(ParseInterval, Refused) {
  for (const char* text : {"", "0", "0s", "5", "s", "-5s", "5 s", " 5s", "5d", "1us", "25h",
                           "1e99s", "..s", "1.2.3s", "5s5", "nans", "infs", "99999999999999999h"})
    EXPECT_EQ(rule_of(parse_interval(text)), "events.interval") << text;
}

}  // namespace
}  // namespace casemate::run
