#include "hooks/image/signature.h"

#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "shim/base/unique_fd.h"

namespace casemate::image {
namespace {

constexpr std::size_t kMaxPem = 4096;
constexpr std::size_t kCoordinate = 32;
constexpr std::string_view kPublicLabel = "PUBLIC KEY";
constexpr std::string_view kPrivateLabel = "PRIVATE KEY";

using Bio = std::unique_ptr<BIO, decltype(&BIO_free_all)>;
using MdContext = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)>;
using EcdsaSig = std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)>;

std::shared_ptr<EVP_PKEY> own(EVP_PKEY* key) {
  return {key, &EVP_PKEY_free};
}

std::unexpected<Error> crypto_failed(const std::string& what) {
  ERR_clear_error();
  return internal("image.crypto", what + " failed in OpenSSL");
}

int no_password(char*, int, int, void*) {
  return -1;
}

// One block of that label and nothing else: what follows a key must not be another one.
Status check_armour(std::string_view pem, std::string_view label) {
  const std::string begin = "-----BEGIN " + std::string(label) + "-----";
  const std::string end = "-----END " + std::string(label) + "-----";
  while (!pem.empty() && (pem.back() == '\n' || pem.back() == '\r')) pem.remove_suffix(1);
  const bool one = pem.size() <= kMaxPem && pem.starts_with(begin) && pem.ends_with(end) &&
                   pem.find("-----BEGIN", 1) == pem.npos &&
                   pem.find("-----END") == pem.size() - end.size();
  if (one) return {};
  return bad_input("image.key", "not exactly one PEM block \"" + std::string(label) + "\"",
                   "make one with: casectl key generate --type p256 --out NAME");
}

bool is_named_p256(EVP_PKEY* key) {
  std::array<char, 64> text{};
  std::size_t length = 0;
  if (EVP_PKEY_get_group_name(key, text.data(), text.size(), &length) != 1) return false;
  if (std::string_view(text.data()) != SN_X9_62_prime256v1) return false;
  if (EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_EC_ENCODING, text.data(), text.size(),
                                     &length) != 1)
    return false;
  return std::string_view(text.data()) == OSSL_PKEY_EC_ENCODING_GROUP;
}

Result<KeyType> classify(EVP_PKEY* key) {
  if (EVP_PKEY_is_a(key, "ED25519") == 1) return KeyType::ed25519;
  if (EVP_PKEY_is_a(key, "EC") == 1 && is_named_p256(key)) {
    const KeyContext context(EVP_PKEY_CTX_new(key, nullptr), &EVP_PKEY_CTX_free);
    if (context && EVP_PKEY_public_check(context.get()) == 1) return KeyType::p256;
  }
  ERR_clear_error();
  return bad_input("image.key-type", "the key is neither ECDSA P-256 nor Ed25519",
                   "make one with: casectl key generate --type p256 --out NAME");
}

Result<SecretBytes> read_secret(sys::Kernel& kernel, const std::string& path) {
  const open_how how{.flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK};
  const UniqueFd file = TRY(kernel.openat2(AT_FDCWD, path, how));
  struct stat facts{};
  if (::fstat(file.get(), &facts) != 0) return sys_error("stat private key " + path);
  if (!S_ISREG(facts.st_mode) || facts.st_size <= 0 || facts.st_size > static_cast<off_t>(kMaxPem))
    return bad_input("image.key", path + " is not a PEM private key");
  if ((facts.st_mode & 077) != 0)
    return denied("image.key-mode", "others than its owner may read private key " + path,
                  "chmod 600 it, and make a new key if others may have read it");
  auto bytes = TRY(SecretBytes::allocate(static_cast<std::size_t>(facts.st_size)));
  const ssize_t got = ::pread(file.get(), bytes.data(), bytes.size(), 0);
  if (got < 0) return sys_error("read private key " + path);
  bytes.shrink(static_cast<std::size_t>(got));
  return bytes;
}

}  // namespace

std::string_view to_string(KeyType type) {
  return type == KeyType::p256 ? "p256" : "ed25519";
}

Result<PublicKey> PublicKey::from_pem(std::string_view pem) {
  TRY(check_armour(pem, kPublicLabel));
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free_all);
  auto key = own(PEM_read_bio_PUBKEY(bio.get(), nullptr, &no_password, nullptr));
  if (!key) {
    ERR_clear_error();
    return bad_input("image.key", "not a PEM public key");
  }
  const KeyType type = TRY(classify(key.get()));
  return PublicKey(std::move(key), type);
}

Result<std::string> PublicKey::to_pem() const {
  const Bio bio(BIO_new(BIO_s_mem()), &BIO_free_all);
  if (!bio || PEM_write_bio_PUBKEY(bio.get(), key_.get()) != 1)
    return crypto_failed("writing a public key");
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<std::size_t>(size));
}

bool PublicKey::verify(std::string_view message, std::span<const unsigned char> signature) const {
  const MdContext context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  const EVP_MD* hash = type_ == KeyType::p256 ? EVP_sha256() : nullptr;
  const bool good = context &&
                    EVP_DigestVerifyInit(context.get(), nullptr, hash, nullptr, key_.get()) == 1 &&
                    EVP_DigestVerify(context.get(), signature.data(), signature.size(),
                                     as_bytes(message).data(), message.size()) == 1;
  ERR_clear_error();
  return good;
}

Result<PrivateKey> PrivateKey::from_pem(std::span<const unsigned char> pem) {
  TRY(check_armour(as_text(pem), kPrivateLabel));
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free_all);
  auto key = own(PEM_read_bio_PrivateKey(bio.get(), nullptr, &no_password, nullptr));
  if (!key) {
    ERR_clear_error();
    return bad_input("image.key", "not an unencrypted PKCS#8 private key");
  }
  const KeyType type = TRY(classify(key.get()));
  return PrivateKey(std::move(key), type);
}

Result<PrivateKey> PrivateKey::from_file(sys::Kernel& kernel, const std::string& path) {
  const auto bytes = TRY(read_secret(kernel, path));
  return from_pem({bytes.data(), bytes.size()});
}

Result<PrivateKey> PrivateKey::generate(KeyType type) {
  auto key = own(type == KeyType::p256 ? EVP_EC_gen("P-256")
                                       : EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  if (!key) return crypto_failed("generating a key");
  return PrivateKey(std::move(key), type);
}

Result<SecretBytes> PrivateKey::to_pem() const {
  const Bio bio(BIO_new(BIO_s_secmem()), &BIO_free_all);
  if (!bio || PEM_write_bio_PKCS8PrivateKey(bio.get(), key_.get(), nullptr, nullptr, 0, nullptr,
                                            nullptr) != 1)
    return crypto_failed("writing a private key");
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  auto out = TRY(SecretBytes::allocate(static_cast<std::size_t>(size)));
  std::memcpy(out.data(), data, out.size());
  return out;
}

Result<Bytes> PrivateKey::sign(std::string_view message) const {
  const MdContext context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  const EVP_MD* hash = type_ == KeyType::p256 ? EVP_sha256() : nullptr;
  if (!context || EVP_DigestSignInit(context.get(), nullptr, hash, nullptr, key_.get()) != 1)
    return crypto_failed("signing");
  std::size_t size = 0;
  const auto bytes = as_bytes(message);
  if (EVP_DigestSign(context.get(), nullptr, &size, bytes.data(), bytes.size()) != 1)
    return crypto_failed("signing");
  Bytes signature(size);
  if (EVP_DigestSign(context.get(), signature.data(), &size, bytes.data(), bytes.size()) != 1)
    return crypto_failed("signing");
  signature.resize(size);
  return signature;
}

Result<Bytes> ecdsa_der_to_raw(std::span<const unsigned char> der) {
  const unsigned char* at = der.data();
  const EcdsaSig sig(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())), &ECDSA_SIG_free);
  if (!sig || at != der.data() + der.size()) {
    ERR_clear_error();
    return bad_input("image.signature-form", "not a DER ECDSA signature");
  }
  Bytes raw(2 * kCoordinate);
  const bool fits =
      BN_bn2binpad(ECDSA_SIG_get0_r(sig.get()), raw.data(), kCoordinate) == kCoordinate &&
      BN_bn2binpad(ECDSA_SIG_get0_s(sig.get()), raw.data() + kCoordinate, kCoordinate) ==
          kCoordinate;
  if (fits) return raw;
  ERR_clear_error();
  return bad_input("image.signature-form", "the ECDSA signature is not one of P-256");
}

Result<Bytes> ecdsa_raw_to_der(std::span<const unsigned char> raw) {
  if (raw.size() != 2 * kCoordinate)
    return bad_input("image.signature-form", "an ES256 signature has 64 bytes");
  const EcdsaSig sig(ECDSA_SIG_new(), &ECDSA_SIG_free);
  BIGNUM* r = BN_bin2bn(raw.data(), kCoordinate, nullptr);
  BIGNUM* s = BN_bin2bn(raw.data() + kCoordinate, kCoordinate, nullptr);
  if (!sig || r == nullptr || s == nullptr || ECDSA_SIG_set0(sig.get(), r, s) != 1)
    return crypto_failed("reading a signature");
  Bytes der(static_cast<std::size_t>(i2d_ECDSA_SIG(sig.get(), nullptr)));
  unsigned char* out = der.data();
  i2d_ECDSA_SIG(sig.get(), &out);
  return der;
}

}  // namespace casemate::image
