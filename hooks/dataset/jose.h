// JWK, JWS and JWE by libjose, with every value that holds key material in locked memory.
// use_locked_json() must have been called before anything here. Not thread-safe.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "hooks/dataset/header.h"
#include "hooks/dataset/json_ptr.h"
#include "shim/base/result.h"
#include "shim/base/secret_bytes.h"

namespace casemate::dataset {

// A key pair for ECDH-ES+A256KW on P-256, kid included.
Result<JsonPtr> generate_exchange_key(const std::string& kid);
// Compact JSON in secret memory; without the private part when `with_private` is false.
Result<SecretBytes> jwk_to_json(const json_t* jwk, bool with_private);
std::string jwk_kid(const json_t* jwk);  // empty when it has none

// A JWK for ECDH on P-256 (RFC 7518, 6.2). Members that are not needed are dropped, but "use",
// "key_ops" or "alg" for another purpose is refused: bad_input dataset.key-format.
Result<JsonPtr> parse_exchange_key(std::span<const unsigned char> json, bool need_private);

// ECDSA P-256 keys in PEM (PKCS#8, SEC 1, SubjectPublicKeyInfo): bad_input dataset.key-format.
Result<JsonPtr> private_key_from_pem(const SecretBytes& pem);
Result<JsonPtr> public_key_from_pem(std::string_view pem);
// RFC 7638 with SHA-256, base64url.
Result<std::string> thumbprint(const json_t* jwk);

// JWS (RFC 7515, flattened JSON serialisation, ES256) over the manifest; kid is the key's
// thumbprint. Padded with spaces to a multiple of 1024 so that its length tells little.
Result<SecretBytes> sign_manifest(const SecretBytes& manifest, const json_t* key);

struct TenantKey {
  std::string name;
  std::string pem;
};
struct SignedManifest {
  SecretBytes json;    // the manifest's bytes as signed
  std::string signer;  // the name of the tenant key that fits
};
// denied dataset.signature when none of the keys made the signature.
Result<SignedManifest> verify_manifest(const SecretBytes& jws, std::span<const TenantKey> keys);

struct Recipient {
  std::string kid;
  JsonPtr key;  // public
};
// The header's JSON: general serialisation also for one recipient.
Result<std::string> encrypt_header(const SecretBytes& jws, const FileId& file,
                                   std::span<const Recipient> recipients);
// denied dataset.key when the slot does not open with this key; bad_input dataset.tampered when the
// slot opens and the rest was altered.
Result<SecretBytes> decrypt_header(const Header& header, std::size_t slot, const json_t* key);

}  // namespace casemate::dataset
