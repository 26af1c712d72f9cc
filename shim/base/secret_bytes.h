// SecretBytes: key material. Lives in memfd_secret(2) memory where the kernel has it (invisible to
// /proc/PID/mem and to the kernel's own direct map), else in mlocked, non-dumpable memory. Wiped on
// destruction and never inherited by a fork. It cannot be copied, printed or formatted.
#pragma once

#include <cstddef>
#include <span>

#include "shim/base/result.h"

namespace casemate {

class SecretBytes {
 public:
  SecretBytes() = default;
  // Zero-filled. Fails when neither secret nor locked memory can be had: never falls back to
  // ordinary memory.
  static Result<SecretBytes> allocate(std::size_t size);
  SecretBytes(SecretBytes&& other) noexcept;
  SecretBytes& operator=(SecretBytes&& other) noexcept;
  SecretBytes(const SecretBytes&) = delete;
  SecretBytes& operator=(const SecretBytes&) = delete;
  ~SecretBytes();

  std::span<std::byte> bytes() { return {data_, size_}; }
  std::span<const std::byte> bytes() const { return {data_, size_}; }
  unsigned char* data() { return reinterpret_cast<unsigned char*>(data_); }
  const unsigned char* data() const { return reinterpret_cast<const unsigned char*>(data_); }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  // Wipes the tail and forgets it; the mapping stays. `size` must not exceed size().
  void shrink(std::size_t size);

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t mapped_ = 0;
};

// Constant time. Different lengths are unequal.
bool equal(const SecretBytes& a, const SecretBytes& b);

}  // namespace casemate
