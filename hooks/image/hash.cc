#include "hooks/image/hash.h"

#include <algorithm>
#include <array>
#include <cstdlib>

namespace casemate::image {

Hasher::Hasher() : context_(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {
  // Only lack of memory can fail here, and a hash that is not computed must not look like one.
  if (!context_ || EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) != 1) std::abort();
}

void Hasher::update(const void* data, std::size_t size) {
  if (EVP_DigestUpdate(context_.get(), data, size) != 1) std::abort();
  bytes_ += size;
}

void Hasher::update_zeros(std::uint64_t count) {
  static constexpr std::array<unsigned char, 65536> kZeros{};
  while (count > 0) {
    const auto part = std::min<std::uint64_t>(count, kZeros.size());
    update(kZeros.data(), part);
    count -= part;
  }
}

Sha256 Hasher::finish() {
  Sha256 out;
  if (EVP_DigestFinal_ex(context_.get(), out.data(), nullptr) != 1) std::abort();
  return out;
}

std::string digest_text(const Sha256& hash) {
  return "sha256:" + to_hex(hash);
}

std::string digest_of(std::string_view bytes) {
  return "sha256:" + sha256_hex(bytes);
}

}  // namespace casemate::image
