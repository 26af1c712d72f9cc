// casemate-verify: checks signatures, job requests, image layouts and rootfs trees for the runtime,
// in a process that can do nothing else. Started by call_helper (shim/sys/helper.h).
#include <linux/capability.h>
#include <openssl/crypto.h>

#include <cstdio>
#include <vector>

#include "hooks/confine/confine.h"
#include "hooks/image/verify.h"
#include "shim/sys/helper.h"

#ifdef __SANITIZE_ADDRESS__
// The leak check at exit would ptrace, which the confinement forbids.
extern "C" int __lsan_is_turned_off() {
  return 1;
}
#endif

namespace {

using casemate::Result;
using casemate::sys::HelperMessage;

casemate::confine::Allowance needs() {
  return {.threads = true,
          .read_files = true,
          .nobody = true,
          // Files of the rootfs may be readable by their owner only.
          .capabilities = 1ULL << CAP_DAC_READ_SEARCH,
          .address_space = 8ULL << 30,
          .descriptors = 256};
}

Result<HelperMessage> handle(const HelperMessage& request) {
  std::vector<int> fds;
  for (const auto& fd : request.fds) fds.push_back(fd.get());
  TRY(casemate::confine::confine_reads(fds));
  return HelperMessage{.body = TRY(casemate::image::answer(request.body, fds)), .fds = {}};
}

}  // namespace

int main() {
  // Before the confinement, and without the host's openssl.cnf: engines and providers named there
  // do not belong in here.
  OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_ADD_ALL_DIGESTS, nullptr);
  const auto confined = casemate::confine::confine(needs());
  return casemate::sys::serve_helper([&](const HelperMessage& request) -> Result<HelperMessage> {
    if (!confined) return std::unexpected(confined.error());
    return handle(request);
  });
}
