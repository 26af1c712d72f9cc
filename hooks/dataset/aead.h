// AES-256-GCM over chunks, and the keys for it. Two engines with the same results: OpenSSL, and
// libipsec-mb (2.5–3.5 times as fast with VAES), chosen at run time by the CPU.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "shim/base/result.h"
#include "shim/base/secret_bytes.h"

namespace casemate::dataset {

using Nonce = std::array<unsigned char, 12>;
using Tag = std::array<unsigned char, 16>;

enum class Engine { automatic, openssl, ipsec_mb };

// One key and one AAD for many chunks. Not thread-safe: each thread makes its own.
class Aead {
 public:
  virtual ~Aead() = default;
  // `out` has room for in.size() bytes and may be in.data().
  virtual Status seal(const Nonce& nonce, std::span<const unsigned char> in, unsigned char* out,
                      Tag& tag) = 0;
  // bad_input "dataset.tampered" when the tag does not fit; `out` is then zeroed.
  virtual Status open(const Nonce& nonce, std::span<const unsigned char> in, unsigned char* out,
                      const Tag& tag) = 0;
  virtual std::string_view engine() const = 0;  // "openssl" or "ipsec-mb"
};

// `automatic` takes ipsec-mb where it was built in and the CPU has AVX2 and AES; asking for
// ipsec_mb elsewhere is unsupported "dataset.engine". key: 32 bytes, copied into secret memory.
Result<std::unique_ptr<Aead>> make_aead(Engine engine, const SecretBytes& key,
                                        std::span<const unsigned char> aad);
bool has_ipsec_mb();

// HKDF-SHA256 (RFC 5869) with 32 bytes of output.
Result<SecretBytes> hkdf(const SecretBytes& secret, std::span<const unsigned char> salt,
                         std::string_view info);

Result<SecretBytes> random_secret(std::size_t size);

}  // namespace casemate::dataset
