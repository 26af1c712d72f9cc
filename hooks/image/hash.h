// SHA-256 of what does not fit in memory (OpenSSL: SHA-NI where the CPU has it).
#pragma once

#include <openssl/evp.h>

#include <memory>
#include <span>
#include <string>

#include "shim/base/encoding.h"

namespace casemate::image {

class Hasher {
 public:
  Hasher();
  void update(const void* data, std::size_t size);
  void update_zeros(std::uint64_t count);  // a hole of a sparse file
  std::uint64_t bytes() const { return bytes_; }
  Sha256 finish();  // once

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
  std::uint64_t bytes_ = 0;
};

// "sha256:<hex>"
std::string digest_text(const Sha256& hash);
std::string digest_of(std::string_view bytes);

}  // namespace casemate::image
