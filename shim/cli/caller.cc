#include "shim/cli/caller.h"

#include <unistd.h>

#include <cstdlib>
#include <optional>
#include <string_view>

#include "shim/base/number.h"

namespace casemate::cli {
namespace {

std::string_view variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

std::string notify_socket() {
  return std::string(variable("NOTIFY_SOCKET"));
}

Result<int> listen_fds() {
  constexpr int kMost = 1024;
  const std::string_view count = variable("LISTEN_FDS");
  if (count.empty() || whole_number<int>(variable("LISTEN_PID")) != ::getpid()) return 0;
  const auto value = whole_number<int>(count);
  if (value && *value >= 0 && *value <= kMost) return *value;
  return bad_input("cli.listen-fds", "LISTEN_FDS=" + printable(count),
                   "it is a number from 0 to " + std::to_string(kMost));
}

}  // namespace casemate::cli
