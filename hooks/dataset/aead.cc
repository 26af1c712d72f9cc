#include "hooks/dataset/aead.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <string.h>

#include <vector>

#include "hooks/dataset/aead_ipsec_mb.h"
#include "hooks/dataset/format.h"

namespace casemate::dataset {
namespace {

struct ContextFree {
  void operator()(EVP_CIPHER_CTX* context) const { ::EVP_CIPHER_CTX_free(context); }
};

class OpensslAead final : public Aead {
 public:
  static Result<std::unique_ptr<Aead>> make(const SecretBytes& key,
                                            std::span<const unsigned char> aad) {
    auto out = std::unique_ptr<OpensslAead>(new OpensslAead(aad));
    if (!out->start(key)) return internal("dataset.engine", "OpenSSL has no AES-256-GCM");
    return out;
  }

  Status seal(const Nonce& nonce, std::span<const unsigned char> in, unsigned char* out,
              Tag& tag) override {
    EVP_CIPHER_CTX* c = encrypt_.get();
    int done = 0;
    const bool good = ::EVP_EncryptInit_ex(c, nullptr, nullptr, nullptr, nonce.data()) == 1 &&
                      ::EVP_EncryptUpdate(c, nullptr, &done, aad_.data(), aad_length()) == 1 &&
                      ::EVP_EncryptUpdate(c, out, &done, in.data(), length(in)) == 1 &&
                      ::EVP_EncryptFinal_ex(c, out + done, &done) == 1 &&
                      ::EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, 16, tag.data()) == 1;
    if (!good) return internal("dataset.engine", "OpenSSL could not encrypt a chunk");
    return {};
  }

  Status open(const Nonce& nonce, std::span<const unsigned char> in, unsigned char* out,
              const Tag& tag) override {
    EVP_CIPHER_CTX* c = decrypt_.get();
    int done = 0;
    Tag expected = tag;  // the control takes a pointer to non-const
    const bool good = ::EVP_DecryptInit_ex(c, nullptr, nullptr, nullptr, nonce.data()) == 1 &&
                      ::EVP_DecryptUpdate(c, nullptr, &done, aad_.data(), aad_length()) == 1 &&
                      ::EVP_DecryptUpdate(c, out, &done, in.data(), length(in)) == 1 &&
                      ::EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, 16, expected.data()) == 1 &&
                      ::EVP_DecryptFinal_ex(c, out + done, &done) == 1;
    if (good) return {};
    ::explicit_bzero(out, in.size());
    return bad_input("dataset.tampered", "a chunk does not match its authentication tag",
                     "the file was altered or damaged: fetch it again");
  }

  std::string_view engine() const override { return "openssl"; }

 private:
  explicit OpensslAead(std::span<const unsigned char> aad)
      : encrypt_(::EVP_CIPHER_CTX_new()),
        decrypt_(::EVP_CIPHER_CTX_new()),
        aad_(aad.begin(), aad.end()) {}
  bool start(const SecretBytes& key) {
    if (encrypt_ == nullptr || decrypt_ == nullptr) return false;
    const EVP_CIPHER* cipher = ::EVP_aes_256_gcm();
    return ::EVP_EncryptInit_ex(encrypt_.get(), cipher, nullptr, key.data(), nullptr) == 1 &&
           ::EVP_DecryptInit_ex(decrypt_.get(), cipher, nullptr, key.data(), nullptr) == 1;
  }
  int aad_length() const { return static_cast<int>(aad_.size()); }
  static int length(std::span<const unsigned char> in) { return static_cast<int>(in.size()); }

  std::unique_ptr<EVP_CIPHER_CTX, ContextFree> encrypt_;
  std::unique_ptr<EVP_CIPHER_CTX, ContextFree> decrypt_;
  std::vector<unsigned char> aad_;
};

}  // namespace

bool has_ipsec_mb() {
#ifdef CASEMATE_HAVE_IPSEC_MB
  return cpu_suits_ipsec_mb();
#else
  return false;
#endif
}

Result<std::unique_ptr<Aead>> make_aead(Engine engine, const SecretBytes& key,
                                        std::span<const unsigned char> aad) {
  if (key.size() != kKeyBytes) return internal("dataset.engine", "an AES-256 key has 32 bytes");
  if (engine == Engine::ipsec_mb && !has_ipsec_mb())
    return unsupported("dataset.engine", "libipsec-mb is not built in or does not suit this CPU");
#ifdef CASEMATE_HAVE_IPSEC_MB
  if (engine != Engine::openssl && has_ipsec_mb()) return make_ipsec_mb_aead(key, aad);
#endif
  return OpensslAead::make(key, aad);
}

Result<SecretBytes> hkdf(const SecretBytes& secret, std::span<const unsigned char> salt,
                         std::string_view info) {
  auto out = TRY(SecretBytes::allocate(kKeyBytes));
  EVP_KDF* kdf = ::EVP_KDF_fetch(nullptr, "HKDF", nullptr);
  EVP_KDF_CTX* context = kdf == nullptr ? nullptr : ::EVP_KDF_CTX_new(kdf);
  char digest[] = "SHA256";
  OSSL_PARAM parameters[] = {
      ::OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
      ::OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY,
                                          const_cast<unsigned char*>(secret.data()), secret.size()),
      ::OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT,
                                          const_cast<unsigned char*>(salt.data()), salt.size()),
      ::OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, const_cast<char*>(info.data()),
                                          info.size()),
      ::OSSL_PARAM_construct_end()};
  const bool good =
      context != nullptr && ::EVP_KDF_derive(context, out.data(), out.size(), parameters) == 1;
  ::EVP_KDF_CTX_free(context);
  ::EVP_KDF_free(kdf);
  if (!good) return internal("dataset.engine", "OpenSSL could not derive a key");
  return out;
}

Result<SecretBytes> random_secret(std::size_t size) {
  auto out = TRY(SecretBytes::allocate(size));
  if (::RAND_priv_bytes(out.data(), static_cast<int>(size)) != 1)
    return internal("dataset.random", "OpenSSL's random generator failed");
  return out;
}

}  // namespace casemate::dataset
