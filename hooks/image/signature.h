// Keys and signatures: ECDSA P-256 with SHA-256 (DER, as cosign writes it) and Ed25519. Keys are
// PEM: SubjectPublicKeyInfo and unencrypted PKCS#8. Other curves, RSA and explicit curve parameters
// are refused (bad_input "image.key-type"): with a named key type no algorithm can be confused.
#pragma once

#include <openssl/evp.h>

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "shim/base/encoding.h"
#include "shim/base/result.h"
#include "shim/base/secret_bytes.h"
#include "shim/sys/kernel.h"

namespace casemate::image {

enum class KeyType { p256, ed25519 };
std::string_view to_string(KeyType type);  // "p256", "ed25519"

class PublicKey {
 public:
  // Exactly one PEM block. bad_input "image.key" or "image.key-type".
  static Result<PublicKey> from_pem(std::string_view pem);

  KeyType type() const { return type_; }
  Result<std::string> to_pem() const;
  // `signature`: DER (RFC 3279) for P-256, 64 bytes (RFC 8032) for Ed25519. May be called from
  // several threads.
  bool verify(std::string_view message, std::span<const unsigned char> signature) const;

 private:
  friend class PrivateKey;
  PublicKey(std::shared_ptr<EVP_PKEY> key, KeyType type) : key_(std::move(key)), type_(type) {}
  std::shared_ptr<EVP_PKEY> key_;
  KeyType type_;
};

class PrivateKey {
 public:
  static Result<PrivateKey> from_pem(std::span<const unsigned char> pem);
  // A file that group or others may read is refused (denied "image.key-mode").
  static Result<PrivateKey> from_file(sys::Kernel& kernel, const std::string& path);
  static Result<PrivateKey> generate(KeyType type);

  KeyType type() const { return type_; }
  PublicKey public_key() const { return PublicKey(key_, type_); }
  Result<SecretBytes> to_pem() const;
  Result<Bytes> sign(std::string_view message) const;  // in the form that verify() takes

 private:
  PrivateKey(std::shared_ptr<EVP_PKEY> key, KeyType type) : key_(std::move(key)), type_(type) {}
  std::shared_ptr<EVP_PKEY> key_;
  KeyType type_;
};

// P-256 signatures in JOSE's form (RFC 7518 section 3.4: r and s, 32 bytes each) and back.
Result<Bytes> ecdsa_der_to_raw(std::span<const unsigned char> der);
Result<Bytes> ecdsa_raw_to_der(std::span<const unsigned char> raw);

struct NamedKey {
  std::string name;
  PublicKey key;
};

}  // namespace casemate::image
