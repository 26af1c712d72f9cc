// Keys from outside: JWK and PEM.
#include <openssl/ec.h>
#include <openssl/obj_mac.h>
#include <openssl/pem.h>

#include <cstring>

#include "hooks/dataset/jose.h"
#include "hooks/dataset/jose_c.h"

namespace casemate::dataset {
namespace {

struct PkeyFree {
  void operator()(EVP_PKEY* key) const { ::EVP_PKEY_free(key); }
};
struct BioFree {
  void operator()(BIO* bio) const { ::BIO_free(bio); }
};
using PkeyPtr = std::unique_ptr<EVP_PKEY, PkeyFree>;
using BioPtr = std::unique_ptr<BIO, BioFree>;

std::unexpected<Error> unusable(std::string what, std::string hint) {
  return bad_input("dataset.key-format", std::move(what), std::move(hint));
}

bool has_text(const json_t* jwk, const char* key, std::string_view expected) {
  const json_t* value = json_object_get(jwk, key);
  return json_is_string(value) && json_string_value(value) == expected;
}

// "use", "key_ops" and "alg" may be absent; if there, they must allow what we do.
bool purpose_fits(const json_t* jwk) {
  const json_t* ops = json_object_get(jwk, "key_ops");
  bool derives = ops == nullptr;
  for (std::size_t i = 0; i < json_array_size(ops); ++i) {
    const char* op = json_string_value(json_array_get(ops, i));
    derives = derives || (op != nullptr && std::strncmp(op, "derive", 6) == 0);
  }
  return derives && (json_object_get(jwk, "use") == nullptr || has_text(jwk, "use", "enc")) &&
         (json_object_get(jwk, "alg") == nullptr || has_text(jwk, "alg", kSlotAlgorithm));
}

bool copy_coordinate(json_t* to, const json_t* from, const char* key) {
  json_t* value = json_object_get(from, key);
  return json_is_string(value) && jose_b64_dec(value, nullptr, 0) == 32 &&
         json_object_set(to, key, value) == 0;
}

// No terminal prompt for a passphrase: an encrypted PEM is simply refused.
int no_passphrase(char*, int, int, void*) {
  return -1;
}

Result<JsonPtr> p256_to_jwk(PkeyPtr key) {
  char group[64] = {};
  std::size_t length = 0;
  const bool fits = key != nullptr && ::EVP_PKEY_get_base_id(key.get()) == EVP_PKEY_EC &&
                    ::EVP_PKEY_get_group_name(key.get(), group, sizeof group, &length) == 1 &&
                    std::strcmp(group, SN_X9_62_prime256v1) == 0;
  if (!fits)
    return unusable("not a PEM key of ECDSA on P-256 without passphrase",
                    "make one with: openssl ecparam -name prime256v1 -genkey -noout");
  JsonPtr jwk(jose_openssl_jwk_from_EVP_PKEY(nullptr, key.get()));
  if (jwk == nullptr) return unusable("libjose cannot use this key", "");
  return jwk;
}

}  // namespace

std::string jwk_kid(const json_t* jwk) {
  const json_t* kid = json_object_get(jwk, "kid");
  return json_is_string(kid) ? json_string_value(kid) : "";
}

Result<JsonPtr> parse_exchange_key(std::span<const unsigned char> json, bool need_private) {
  const JsonPtr jwk(json_loadb(reinterpret_cast<const char*>(json.data()), json.size(),
                               JSON_REJECT_DUPLICATES, nullptr));
  constexpr const char* kHint = "make one with `casectl dataset keygen`";
  if (!has_text(jwk.get(), "kty", "EC") || !has_text(jwk.get(), "crv", "P-256"))
    return unusable("not a JWK with an EC key on P-256", kHint);
  if (!purpose_fits(jwk.get())) return unusable("the JWK is meant for another purpose", kHint);
  JsonPtr out(json_pack("{s:s,s:s}", "kty", "EC", "crv", "P-256"));
  bool good = out != nullptr && copy_coordinate(out.get(), jwk.get(), "x") &&
              copy_coordinate(out.get(), jwk.get(), "y");
  if (need_private) good = good && copy_coordinate(out.get(), jwk.get(), "d");
  const std::string kid = jwk_kid(jwk.get());
  if (is_kid(kid))
    good = good && json_object_set_new(out.get(), "kid", json_string(kid.c_str())) == 0;
  if (!good)
    return unusable(need_private ? "the JWK has no private key" : "the JWK's point is malformed",
                    kHint);
  return out;
}

Result<JsonPtr> private_key_from_pem(const SecretBytes& pem) {
  const BioPtr bio(::BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return p256_to_jwk(
      PkeyPtr(::PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr)));
}

Result<JsonPtr> public_key_from_pem(std::string_view pem) {
  const BioPtr bio(::BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return p256_to_jwk(PkeyPtr(::PEM_read_bio_PUBKEY(bio.get(), nullptr, no_passphrase, nullptr)));
}

}  // namespace casemate::dataset
