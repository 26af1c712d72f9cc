#include "shim/cli/readonly_self.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace casemate::cli {
namespace {

constexpr const char* kSelf = "/proc/self/exe";

Result<bool> runs_readonly() {
  struct statvfs facts{};
  if (::statvfs(kSelf, &facts) != 0) return sys_error("statvfs of the own program");
  return (facts.f_flag & ST_RDONLY) != 0;
}

std::vector<std::string> environment() {
  std::vector<std::string> all;
  for (char** variable = environ; *variable != nullptr; ++variable) all.emplace_back(*variable);
  return all;
}

}  // namespace

Result<std::string> run_from_readonly_mount(sys::Kernel& kernel,
                                            std::vector<std::string> arguments) {
  const std::string path = TRY(kernel.readlinkat(AT_FDCWD, kSelf));
  // The root of a detached mount has no path: the first execution put it into argument 0.
  const bool detached = path == "/";
  if (TRY(runs_readonly())) return detached ? arguments[0] : path;
  if (detached) return internal("runtime.self", "the runtime's own mount is not read-only");
  const UniqueFd clone =
      TRY(kernel.open_tree(AT_FDCWD, kSelf, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
  TRY(kernel.mount_setattr(clone.get(), 0, {.attr_set = MOUNT_ATTR_RDONLY}));
  arguments[0] = path;
  TRY(kernel.execveat(clone.get(), "", arguments, environment(), AT_EMPTY_PATH));
  return internal("runtime.self", "the runtime could not execute itself");
}

}  // namespace casemate::cli
