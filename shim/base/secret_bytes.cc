#include "shim/base/secret_bytes.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "shim/base/unique_fd.h"

namespace casemate {
namespace {

std::byte* map_secret(std::size_t size) {
  UniqueFd fd(static_cast<int>(::syscall(SYS_memfd_secret, O_CLOEXEC)));
  if (!fd || ::ftruncate(fd.get(), static_cast<off_t>(size)) != 0) return nullptr;
  void* at = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (at == MAP_FAILED) return nullptr;
  // A fork would share these pages: leave them out of it.
  if (::madvise(at, size, MADV_DONTFORK) != 0) {
    ::munmap(at, size);
    return nullptr;
  }
  return static_cast<std::byte*>(at);
}

std::byte* map_locked(std::size_t size) {
  void* at = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) return nullptr;
  if (::mlock(at, size) != 0 || ::madvise(at, size, MADV_DONTDUMP) != 0 ||
      ::madvise(at, size, MADV_WIPEONFORK) != 0) {
    ::munmap(at, size);
    return nullptr;
  }
  return static_cast<std::byte*>(at);
}

}  // namespace

Result<SecretBytes> SecretBytes::allocate(std::size_t size) {
  SecretBytes secret;
  if (size == 0) return secret;
  const std::size_t page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::size_t mapped = (size + page - 1) / page * page;
  std::byte* at = map_secret(mapped);
  if (at == nullptr) at = map_locked(mapped);
  if (at == nullptr) return sys_error("allocate locked memory for a secret");
  secret.data_ = at;
  secret.size_ = size;
  secret.mapped_ = mapped;
  return secret;
}

SecretBytes::SecretBytes(SecretBytes&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      mapped_(std::exchange(other.mapped_, 0)) {}

SecretBytes& SecretBytes::operator=(SecretBytes&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(mapped_, other.mapped_);
  return *this;
}

SecretBytes::~SecretBytes() {
  if (data_ == nullptr) return;
  ::explicit_bzero(data_, mapped_);
  ::munmap(data_, mapped_);
}

void SecretBytes::shrink(std::size_t size) {
  if (size >= size_) return;
  ::explicit_bzero(data_ + size, size_ - size);
  size_ = size;
}

bool equal(const SecretBytes& a, const SecretBytes& b) {
  if (a.size() != b.size()) return false;
  unsigned difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) difference |= a.data()[i] ^ b.data()[i];
  return difference == 0;
}

}  // namespace casemate
