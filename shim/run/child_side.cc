#include "shim/run/child_side.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>

#include "shim/base/json.h"
#include "shim/sys/helper.h"

namespace casemate::run {

// write(2) and read(2) on the sequenced-packet sockets: the only calls that are certain to pass the
// container's own filter.
Status say(sys::Kernel& kernel, int socket, char kind, const std::string& text) {
  TRY(kernel.write(socket, std::string(1, kind) + text));
  return {};
}

void fail(sys::Kernel& kernel, int socket, const Error& error) {
  static_cast<void>(say(kernel, socket, 'E', dump(sys::error_to_json(error))));
  ::_exit(error.exit_code());
}

Status wait_for_go(sys::Kernel& kernel, int socket) {
  if (TRY(kernel.read(socket, 16)) == "g") return {};
  return internal("init.abandoned", "nobody waits for this container any more");
}

// Everything that came with the fork and is not listed goes: lock files, the warden's socket, what
// the caller of the runtime leaked (CVE-2024-21626).
Status close_others(sys::Kernel& kernel, std::vector<int> keep) {
  std::sort(keep.begin(), keep.end());
  unsigned first = 3;
  for (const int fd : keep) {
    const auto number = static_cast<unsigned>(fd);
    if (number > first) TRY(kernel.close_range(first, number - 1, 0));
    first = std::max(first, number + 1);
  }
  return kernel.close_range(first, ~0U, 0);
}

// The engine's signal mask and ignored signals are not the container's.
void reset_signals() {
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_DFL);
}

// The first user of a new user namespace has no id until the parent has written the maps.
Status become_root_in_user_namespace(sys::Kernel& kernel, const plan::Plan& plan) {
  if (plan.find<plan::IdMaps>() == nullptr) return {};
  TRY(kernel.setresgid(0));
  return kernel.setresuid(0);
}

}  // namespace casemate::run
