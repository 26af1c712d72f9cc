#include "shim/run/child_namespace.h"

#include <fcntl.h>

#include <string>

namespace casemate::run {

Status ChildNamespace::remember(const char* own) {
  const open_how how{.flags = O_RDONLY | O_CLOEXEC, .mode = 0, .resolve = 0};
  own_ = TRY(kernel_.openat2(AT_FDCWD, std::string("/proc/self/ns/") + own, how));
  return {};
}

}  // namespace casemate::run
