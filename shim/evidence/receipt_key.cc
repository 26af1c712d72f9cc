#include <fcntl.h>
#include <sodium.h>
#include <sys/file.h>
#include <unistd.h>

#include "shim/base/encoding.h"
#include "shim/evidence/dsse.h"
#include "shim/evidence/receipt.h"
#include "shim/fs/host_file.h"

namespace casemate::evidence {
namespace {

constexpr const char* kSeedFile = "receipt.key";
constexpr const char* kPublicFile = "receipt.pub";

std::unexpected<Error> unfit(const std::string& why) {
  return denied(
      "receipt.key", "the host's receipt key " + why,
      "it must be a file of 32 bytes, owned by root with mode 0600; move it away to have a "
      "new one made");
}

// Straight into secret memory: the seed never passes through ordinary buffers.
Result<SecretBytes> read_seed(int fd) {
  struct stat status{};
  if (::fstat(fd, &status) != 0) return sys_error("stat the receipt key");
  if (!S_ISREG(status.st_mode) || status.st_uid != 0 || (status.st_mode & 0077) != 0)
    return unfit("may be read or changed by others");
  if (status.st_size != crypto_sign_SEEDBYTES) return unfit("has another size");
  auto seed = TRY(SecretBytes::allocate(crypto_sign_SEEDBYTES));
  if (::pread(fd, seed.data(), seed.size(), 0) != static_cast<ssize_t>(seed.size()))
    return sys_error("read the receipt key");
  return seed;
}

Result<SecretBytes> make_seed(sys::Kernel& kernel, int dir) {
  auto seed = TRY(SecretBytes::allocate(crypto_sign_SEEDBYTES));
  randombytes_buf(seed.data(), seed.size());
  TRY(fs::write_atomically_at(kernel, dir, kSeedFile, as_text({seed.data(), seed.size()}), 0600));
  return seed;
}

Result<SecretBytes> load_or_make_seed(sys::Kernel& kernel, int dir) {
  open_how how{};
  how.flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
  const auto file = kernel.openat2(dir, kSeedFile, how);
  if (file) return read_seed(file->get());
  if (file.error().sys_errno != ENOENT) return std::unexpected(file.error());
  // Two first users at once: the second finds the key of the first.
  how.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  const auto guard = TRY(kernel.openat2(dir, ".", how));
  TRY(kernel.flock(guard.get(), LOCK_EX));
  how.flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
  const auto again = kernel.openat2(dir, kSeedFile, how);
  return again ? read_seed(again->get()) : make_seed(kernel, dir);
}

}  // namespace

Result<ReceiptKey> ReceiptKey::load_or_create(sys::Kernel& kernel, const std::string& keys_dir) {
  if (sodium_init() < 0) return internal("receipt.key", "libsodium cannot start");
  const auto dir = TRY(fs::make_directories(kernel, keys_dir, 0700));
  const SecretBytes seed = TRY(load_or_make_seed(kernel, dir.get()));
  ReceiptKey key;
  key.secret_ = TRY(SecretBytes::allocate(crypto_sign_SECRETKEYBYTES));
  PublicKey public_key;
  crypto_sign_seed_keypair(public_key.data(), key.secret_.data(), seed.data());
  key.public_pem_ = to_pem(public_key);
  key.id_ = key_id(public_key);
  const auto published = fs::read_file_at(kernel, dir.get(), kPublicFile, 4096);
  if (!published || *published != key.public_pem_)
    TRY(fs::write_atomically_at(kernel, dir.get(), kPublicFile, key.public_pem_, 0644));
  return key;
}

}  // namespace casemate::evidence
