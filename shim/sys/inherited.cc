#include "shim/sys/inherited.h"

#include <signal.h>

#include <algorithm>

namespace casemate::sys {

Status close_all_but(Kernel& kernel, std::vector<int> keep) {
  std::sort(keep.begin(), keep.end());
  unsigned first = 3;
  for (const int fd : keep) {
    const auto number = static_cast<unsigned>(fd);
    if (number > first) TRY(kernel.close_range(first, number - 1, 0));
    first = std::max(first, number + 1);
  }
  return kernel.close_range(first, ~0U, 0);
}

void reset_signals() {
  struct sigaction plain = {};
  plain.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal) ::sigaction(signal, &plain, nullptr);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

}  // namespace casemate::sys
