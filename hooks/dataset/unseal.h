// casemate-unseal: one sealed dataset becomes a tmpfs that no path of the host reaches.
//
// Two processes. The outer one makes and finishes the mount and never sees a key or an untrusted
// byte. The inner one is its child: locked into the empty mount (chroot), under the job's uid,
// without capabilities and under a seccomp allow-list before it reads the first byte; it holds the
// keys, decrypts into the mount, and says how it went over a socket.
#pragma once

#include "hooks/dataset/request.h"
#include "shim/sys/helper.h"
#include "shim/sys/kernel.h"

namespace casemate::dataset {

// Handler for sys::serve_helper(). Descriptors of the request: the sealed file (O_RDONLY), then one
// private key file for each of "keys". Reply: {"dataset":{"id","tenant","serial","criticality",
// "slot","signer","file","files","bytes","seconds","gibPerSecond","cipher","noswap","huge"}} with
// the job's mount (read-only). Handed over before anything is decrypted: "mount" with the holder's
// mount (writable as a mount, for the wipe), so that there is never plaintext that nobody else
// could overwrite. Both are detached. Changes this process for good (mount namespace, limits): one
// call per process, single-threaded, privileged (CAP_SYS_ADMIN, CAP_SYS_CHROOT, CAP_SETUID,
// CAP_SETGID, CAP_DAC_OVERRIDE). After an error everything that was decrypted has been overwritten.
Result<sys::HelperMessage> unseal(sys::Kernel& kernel, sys::HelperMessage request,
                                  const sys::HandOver& hand_over);

// The inner process' work without its confinement: checks, decrypts into `directory`, reports.
// `available` is the free memory in bytes. Exposed for tests.
Result<Json> unseal_into(const UnsealRequest& request, int sealed, std::span<const UniqueFd> keys,
                         int directory, std::uint64_t available);

}  // namespace casemate::dataset
