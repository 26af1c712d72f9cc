#include "shim/run/hook_digest.h"

#include <fcntl.h>
#include <sodium.h>

#include "shim/base/encoding.h"
#include "shim/fs/host_file.h"

namespace casemate::run {
namespace {

constexpr std::size_t kBlock = 1 << 20;

Result<std::string> hash_file(sys::Kernel& kernel, int path_fd) {
  // An O_PATH descriptor cannot be read; this opens the very same file.
  const open_how how{.flags = O_RDONLY | O_CLOEXEC, .mode = 0, .resolve = 0};
  const UniqueFd file =
      TRY(kernel.openat2(AT_FDCWD, "/proc/self/fd/" + std::to_string(path_fd), how));
  crypto_hash_sha256_state state;
  crypto_hash_sha256_init(&state);
  for (;;) {
    const std::string block = TRY(kernel.read(file.get(), kBlock));
    if (block.empty()) break;
    crypto_hash_sha256_update(&state, as_bytes(block).data(), block.size());
  }
  Sha256 digest;
  crypto_hash_sha256_final(&state, digest.data());
  return to_hex(digest);
}

std::string identity(const struct stat& file) {
  return std::to_string(file.st_dev) + "-" + std::to_string(file.st_ino) + "-" +
         std::to_string(file.st_ctim.tv_sec) + "-" + std::to_string(file.st_ctim.tv_nsec) + "-" +
         std::to_string(file.st_size);
}

Result<std::string> digest_of(Runtime& runtime, int program) {
  sys::Kernel& kernel = runtime.kernel;
  const struct stat file = TRY(kernel.fstatat(program, "", AT_EMPTY_PATH));
  const UniqueFd known =
      TRY(fs::make_directories(kernel, runtime.config.paths.data + "/hooks", 0700));
  const auto remembered = fs::read_file_at(kernel, known.get(), identity(file), 64);
  if (remembered && remembered->size() == 64) return *remembered;
  std::string digest = TRY(hash_file(kernel, program));
  TRY(fs::write_atomically_at(kernel, known.get(), identity(file), digest, 0600));
  return digest;
}

}  // namespace

Status check_hook_digest(Runtime& runtime, const oci::Hook& hook, const apply::HostPaths& paths) {
  const auto resolved = paths.resolved();
  const auto leads_to = resolved.find(hook.path);
  if (leads_to == resolved.end()) return {};  // absent: running it will say so
  for (const policy::HookProgram& listed : runtime.config.hooks) {
    if (listed.path != leads_to->second || !listed.sha256) continue;
    const std::string found = TRY(digest_of(runtime, TRY(paths.fd(hook.path))));
    if (found == *listed.sha256) continue;
    return denied(
        "hooks.digest", "hook " + leads_to->second + " is not the program that the host allows",
        "if it was updated on purpose, put its new sha256 into the host configuration", "/hooks");
  }
  return {};
}

Status check_hook_digests(Runtime& runtime, const oci::Spec& spec, const apply::HostPaths& paths) {
  const oci::Hooks& hooks = spec.hooks;
  for (const auto* phase : {&hooks.prestart, &hooks.create_runtime, &hooks.create_container,
                            &hooks.poststart, &hooks.poststop})
    for (const oci::Hook& hook : *phase) TRY(check_hook_digest(runtime, hook, paths));
  return {};
}

}  // namespace casemate::run
