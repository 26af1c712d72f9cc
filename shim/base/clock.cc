#include "shim/base/clock.h"

#include <chrono>
#include <cstdio>
#include <ctime>

namespace casemate {

std::int64_t now_unix() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec;
}

std::int64_t monotonic_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

std::string rfc3339(std::int64_t unix_seconds) {
  // Not gmtime_r(3): in every new process it reads the file of the local time zone.
  const std::chrono::sys_seconds time{std::chrono::seconds(unix_seconds)};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  char text[64];
  std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02dZ", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()));
  return text;
}

std::string now_rfc3339() {
  return rfc3339(now_unix());
}

Result<std::int64_t> parse_rfc3339(std::string_view text) {
  const std::string owned(text);
  tm utc{};
  const char* end = ::strptime(owned.c_str(), "%Y-%m-%dT%H:%M:%SZ", &utc);
  // strptime is lenient (white space, short fields): what it read must be what we would write.
  if (end == nullptr || *end != '\0')
    return bad_input("time.format", "not an RFC 3339 UTC time: " + owned);
  const std::int64_t seconds = ::timegm(&utc);
  if (rfc3339(seconds) != owned)
    return bad_input("time.format", "not an RFC 3339 UTC time: " + owned);
  return seconds;
}

}  // namespace casemate
