#include "shim/base/clock.h"

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
  const time_t seconds = unix_seconds;
  tm utc{};
  ::gmtime_r(&seconds, &utc);
  char text[32];
  ::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
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
