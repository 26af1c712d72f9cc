// casemate-warden: one per container, started by the CLI with a socket as descriptor 3 and nothing
// else (protocol.h).
#include <sys/prctl.h>

#include "shim/sys/heap.h"
#include "shim/sys/real_kernel.h"
#include "shim/warden/harden.h"
#include "shim/warden/warden.h"

namespace {

constexpr int kCliSocket = 3;
constexpr std::size_t kHeap = 192 * 1024;  // what it takes until the container stands

casemate::Status serve(casemate::sys::Kernel& kernel, casemate::UniqueFd cli) {
  TRY(kernel.prctl(PR_SET_NAME, reinterpret_cast<unsigned long>("casemate-warden"), 0, 0, 0));
  const auto hardened = casemate::warden::harden(kernel, kCliSocket);
  if (!hardened) {
    // Nobody reads our standard error: the caller's first message gets this answer.
    (void)casemate::warden::send(kernel, cli.get(), casemate::warden::error_reply(hardened.error()),
                                 {});
    return hardened;
  }
  casemate::warden::join_wardens_cgroup(kernel);  // before there is a twin: it is born there
  auto warden = TRY(casemate::warden::Warden::make(kernel, std::move(cli)));
  return warden.run();
}

}  // namespace

int main() {
  casemate::sys::populate_heap(kHeap);
  casemate::sys::RealKernel kernel;
  const auto served = serve(kernel, casemate::UniqueFd(kCliSocket));
  return served ? 0 : served.error().exit_code();
}
