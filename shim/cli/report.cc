#include "shim/cli/report.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>

#include "shim/base/clock.h"
#include "shim/base/unique_fd.h"

namespace casemate::cli {

int report(const Error& error, const LogTarget& log) {
  std::fprintf(stderr, "casemate: %s\n", error.message().c_str());
  if (log.path.empty()) return error.exit_code();
  const UniqueFd file(
      ::openat(AT_FDCWD, log.path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600));
  const std::string line = log.json ? error.json(now_rfc3339()) : error.message();
  if (!file || ::dprintf(file.get(), "%s\n", line.c_str()) < 0)
    std::fprintf(stderr, "casemate: cannot write to %s\n", log.path.c_str());
  return error.exit_code();
}

}  // namespace casemate::cli
