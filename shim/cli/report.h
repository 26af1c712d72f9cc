// How an error reaches people (stderr) and engines (--log).
#pragma once

#include <string>

#include "shim/base/result.h"

namespace casemate::cli {

struct LogTarget {
  std::string path;  // empty: none
  bool json = false;
};

// One line on stderr and one in the log; containerd shows the last one with level "error" to
// people. Returns the exit status.
int report(const Error& error, const LogTarget& log);

}  // namespace casemate::cli
