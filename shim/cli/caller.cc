#include "shim/cli/caller.h"

#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <optional>
#include <string_view>

namespace casemate::cli {
namespace {

std::string_view variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::optional<int> number(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  return whole ? std::optional(value) : std::nullopt;
}

}  // namespace

std::string notify_socket() {
  return std::string(variable("NOTIFY_SOCKET"));
}

Result<int> listen_fds() {
  constexpr int kMost = 1024;
  const std::string_view count = variable("LISTEN_FDS");
  if (count.empty() || number(variable("LISTEN_PID")) != ::getpid()) return 0;
  const auto value = number(count);
  if (value && *value >= 0 && *value <= kMost) return *value;
  return bad_input("cli.listen-fds", "LISTEN_FDS=" + printable(count),
                   "it is a number from 0 to " + std::to_string(kMost));
}

}  // namespace casemate::cli
