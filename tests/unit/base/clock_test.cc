#include "shim/base/clock.h"

#include <gtest/gtest.h>

namespace casemate {
namespace {

TEST(Clock, WritesAndReadsOneForm) {
  EXPECT_EQ(rfc3339(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(rfc3339(1767323045), "2026-01-02T03:04:05Z");
  EXPECT_EQ(parse_rfc3339("2026-01-02T03:04:05Z").value(), 1767323045);
  EXPECT_EQ(parse_rfc3339("2024-02-29T23:59:59Z").value(), 1709251199);
  for (std::int64_t seconds = -86400; seconds < 4'000'000'000; seconds += 86399 * 37)
    EXPECT_EQ(parse_rfc3339(rfc3339(seconds)).value(), seconds);
}

TEST(Clock, RefusesEveryOtherForm) {
  for (const char* text :
       {"", "2026-01-02", "2026-01-02T03:04:05", "2026-01-02T03:04:05z", "2026-01-02t03:04:05Z",
        "2026-01-02 03:04:05Z", "2026-1-2T3:4:5Z", "2026-01-02T03:04:05+00:00",
        "2026-01-02T03:04:05.0Z", "2026-01-02T03:04:60Z", "2026-01-02T24:00:00Z",
        "2026-02-30T00:00:00Z", "2025-02-29T00:00:00Z", "2026-13-01T00:00:00Z",
        " 2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z ", "2026- 1-02T03:04:05Z"}) {
    const auto parsed = parse_rfc3339(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().rule, "time.format");
  }
  EXPECT_FALSE(parse_rfc3339(std::string_view("2026-01-02T03:04:05Z\0x", 22)));
}

TEST(Clock, GoesForward) {
  const std::int64_t before = monotonic_ns();
  EXPECT_GE(monotonic_ns(), before);
  const std::int64_t earliest = now_unix();
  EXPECT_GE(parse_rfc3339(now_rfc3339()).value(), earliest);
}

}  // namespace
}  // namespace casemate
