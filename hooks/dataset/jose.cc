#include "hooks/dataset/jose.h"

#include <algorithm>
#include <cstring>

#include "hooks/dataset/aead.h"
#include "hooks/dataset/format.h"
#include "hooks/dataset/jose_c.h"
#include "shim/base/encoding.h"

namespace casemate::dataset {
namespace {

constexpr std::size_t kPlaintextStep = 1024;
constexpr std::string_view kJwsType = "casemate-manifest+jws";

void ignore_error(void*, const char*, int, std::uint64_t, const char*, va_list) {}

// libjose writes its complaints to standard error unless told otherwise.
jose_cfg_t* quiet() {
  static jose_cfg_t* config = [] {
    jose_cfg_t* made = jose_cfg();
    if (made != nullptr) jose_cfg_set_err_func(made, ignore_error, nullptr);
    return made;
  }();
  return config;
}

struct IoRelease {
  void operator()(jose_io_t* io) const { jose_io_decref(io); }
};
using IoPtr = std::unique_ptr<jose_io_t, IoRelease>;

std::unexpected<Error> no_memory() {
  return internal("dataset.memory", "no locked memory left for the header");
}

std::unexpected<Error> altered(const char* what) {
  return bad_input("dataset.tampered", what, "the file was altered or damaged: fetch it again");
}

// nlohmann to jansson, for public values only.
JsonPtr to_jansson(const Json& value) {
  const std::string text = dump(value);
  return JsonPtr(json_loadb(text.data(), text.size(), JSON_REJECT_DUPLICATES, nullptr));
}

// {"protected": base64url}: already encoded, because libjose frees with free() what jansson
// allocated when it encodes a protected header itself.
JsonPtr encoded_protected(const Json& header) {
  return JsonPtr(json_pack("{s:s}", "protected", to_base64url(as_bytes(dump(header))).c_str()));
}

Result<SecretBytes> dump_secret(const json_t* value, std::size_t step) {
  const std::size_t size = json_dumpb(value, nullptr, 0, JSON_COMPACT | JSON_SORT_KEYS);
  if (size == 0) return no_memory();
  auto out = TRY(SecretBytes::allocate(align_up(size, step)));
  json_dumpb(value, reinterpret_cast<char*>(out.data()), size, JSON_COMPACT | JSON_SORT_KEYS);
  std::memset(out.data() + size, ' ', out.size() - size);
  return out;
}

// A flattened JWE (one recipient) becomes a general one: one shape is easier to check.
bool generalise(json_t* jwe) {
  if (json_object_get(jwe, "recipients") != nullptr) return true;
  const JsonPtr recipient(json_object());
  for (const char* key : {"header", "encrypted_key"}) {
    if (json_object_set(recipient.get(), key, json_object_get(jwe, key)) != 0) return false;
    json_object_del(jwe, key);
  }
  const JsonPtr list(json_array());
  return json_array_append(list.get(), recipient.get()) == 0 &&
         json_object_set(jwe, "recipients", list.get()) == 0;
}

bool add_recipients(json_t* jwe, json_t* cek, std::span<const Recipient> recipients) {
  for (const auto& recipient : recipients) {
    const JsonPtr slot(json_pack("{s:{s:s,s:s}}", "header", "kid", recipient.kid.c_str(), "alg",
                                 std::string(kSlotAlgorithm).c_str()));
    if (slot == nullptr || !jose_jwe_enc_jwk(quiet(), jwe, slot.get(), recipient.key.get(), cek))
      return false;
  }
  return generalise(jwe);
}

// RFC 7516, 5.1, steps 9 to 17, with A256GCM. Not jose_jwe_enc_cek(): it encodes the protected
// header itself (see encoded_protected()).
Status encrypt_content(json_t* jwe, const json_t* cek, const SecretBytes& plaintext) {
  auto key = TRY(SecretBytes::allocate(kKeyBytes));
  if (jose_b64_dec(json_object_get(cek, "k"), key.data(), key.size()) != key.size())
    return internal("dataset.header", "libjose made no content key");
  const std::string aad = json_string_value(json_object_get(jwe, "protected"));
  const auto aead = TRY(make_aead(Engine::openssl, key, as_bytes(aad)));
  const SecretBytes random = TRY(random_secret(sizeof(Nonce)));
  Nonce iv;
  std::copy_n(random.data(), iv.size(), iv.begin());
  Tag tag;
  Bytes out(plaintext.size());
  TRY(aead->seal(iv, {plaintext.data(), plaintext.size()}, out.data(), tag));
  const bool good =
      json_object_set_new(jwe, "iv", json_string(to_base64url(iv).c_str())) == 0 &&
      json_object_set_new(jwe, "tag", json_string(to_base64url(tag).c_str())) == 0 &&
      json_object_set_new(jwe, "ciphertext", json_string(to_base64url(out).c_str())) == 0;
  if (!good) return no_memory();
  return {};
}

// The members of a JWS that this format has, and no others.
bool is_our_jws(const json_t* jws) {
  if (!json_is_object(jws) || json_object_size(jws) != 3) return false;
  for (const char* key : {"payload", "protected", "signature"})
    if (!json_is_string(json_object_get(jws, key))) return false;
  const auto head = from_base64url(json_string_value(json_object_get(jws, "protected")));
  if (!head) return false;
  const auto json = parse_json(as_text(*head));
  return json && json->is_object() && json->size() == 3 && json->value("alg", Json()) == "ES256" &&
         json->value("typ", Json()) == kJwsType && json->value("kid", Json()).is_string();
}

Result<SecretBytes> payload_of(const json_t* jws) {
  const json_t* payload = json_object_get(jws, "payload");
  const std::size_t size = jose_b64_dec(payload, nullptr, 0);
  if (size == SIZE_MAX || size == 0) return altered("the manifest is not base64url");
  auto out = TRY(SecretBytes::allocate(size));
  if (jose_b64_dec(payload, out.data(), size) != size)
    return altered("the manifest is not base64url");
  return out;
}

// Into memory of ours; jose_jwe_dec() would hand out a piece of the ordinary heap.
Result<SecretBytes> decrypt_content(const json_t* jwe, const json_t* cek) {
  const json_t* ciphertext = json_object_get(jwe, "ciphertext");
  std::size_t size = jose_b64_dec(ciphertext, nullptr, 0);
  if (size == SIZE_MAX || size == 0) return altered("the header's ciphertext is not base64url");
  auto out = TRY(SecretBytes::allocate(size));
  const IoPtr sink(jose_io_buffer(quiet(), out.data(), &size));
  const IoPtr cipher(jose_jwe_dec_cek_io(quiet(), jwe, cek, sink.get()));
  const IoPtr decoder(cipher == nullptr ? nullptr : jose_b64_dec_io(cipher.get()));
  if (decoder == nullptr) return altered("the header cannot be decrypted");
  const bool good =
      decoder->feed(decoder.get(), json_string_value(ciphertext), json_string_length(ciphertext)) &&
      decoder->done(decoder.get());
  if (!good) return altered("the header does not match its authentication tag");
  out.shrink(size);
  return out;
}

}  // namespace

Result<SecretBytes> jwk_to_json(const json_t* jwk, bool with_private) {
  const JsonPtr copy(json_deep_copy(jwk));
  if (copy == nullptr) return no_memory();
  if (!with_private && !jose_jwk_pub(quiet(), copy.get())) return no_memory();
  return dump_secret(copy.get(), 1);
}

Result<std::string> thumbprint(const json_t* jwk) {
  const char* x = json_string_value(json_object_get(jwk, "x"));
  const char* y = json_string_value(json_object_get(jwk, "y"));
  if (x == nullptr || y == nullptr) return internal("dataset.key-format", "a key has no point");
  // jose_jwk_thp() frees with free() what jansson allocated: not usable with an allocator of ours.
  return to_base64url(sha256(
      as_bytes(R"({"crv":"P-256","kty":"EC","x":")" + std::string(x) + R"(","y":")" + y + "\"}")));
}

Result<JsonPtr> generate_exchange_key(const std::string& kid) {
  JsonPtr key(json_pack("{s:s,s:s,s:s}", "kty", "EC", "crv", "P-256", "kid", kid.c_str()));
  if (key == nullptr || !jose_jwk_gen(quiet(), key.get())) return no_memory();
  // Set afterwards: libjose would derive key_ops from it, which some programs refuse beside "use".
  json_object_set_new(key.get(), "alg", json_string(std::string(kSlotAlgorithm).c_str()));
  return key;
}

Result<SecretBytes> sign_manifest(const SecretBytes& manifest, const json_t* key) {
  const std::string kid = TRY(thumbprint(key));
  const JsonPtr jws(json_object());
  json_object_set_new(jws.get(), "payload", jose_b64_enc(manifest.data(), manifest.size()));
  const JsonPtr signature = encoded_protected({{"alg", "ES256"}, {"kid", kid}, {"typ", kJwsType}});
  if (signature == nullptr || !jose_jws_sig(quiet(), jws.get(), signature.get(), key))
    return internal("dataset.signature", "libjose could not sign the manifest");
  return dump_secret(jws.get(), kPlaintextStep);
}

Result<SignedManifest> verify_manifest(const SecretBytes& jws, std::span<const TenantKey> keys) {
  const JsonPtr parsed(json_loadb(reinterpret_cast<const char*>(jws.data()), jws.size(),
                                  JSON_REJECT_DUPLICATES, nullptr));
  if (!is_our_jws(parsed.get()))
    return denied("dataset.signature", "the header's content is not signed as this format asks",
                  "the tenant must sign: seal it with `casectl dataset seal --signing-key`");
  for (const auto& key : keys) {
    const JsonPtr jwk = TRY(public_key_from_pem(key.pem));
    if (!jose_jws_ver(quiet(), parsed.get(), nullptr, jwk.get(), false)) continue;
    SecretBytes manifest = TRY(payload_of(parsed.get()));
    return SignedManifest{std::move(manifest), key.name};
  }
  return denied("dataset.signature", "no key of the tenant made this dataset's signature",
                "check who sealed it, or list the tenant's key in the host's configuration");
}

Result<std::string> encrypt_header(const SecretBytes& jws, const FileId& file,
                                   std::span<const Recipient> recipients) {
  if (recipients.empty() || recipients.size() > kMaxSlots)
    return bad_input("dataset.recipient", "a dataset has 1 to 32 recipients");
  const JsonPtr jwe = encoded_protected(protected_header(file));
  const JsonPtr cek(json_object());
  if (!add_recipients(jwe.get(), cek.get(), recipients))
    return internal("dataset.header", "libjose could not wrap the key for a recipient");
  TRY(encrypt_content(jwe.get(), cek.get(), jws));
  const SecretBytes text = TRY(dump_secret(jwe.get(), 1));
  std::string out(reinterpret_cast<const char*>(text.data()), text.size());
  TRY(parse_header(out));  // what we write is what we would accept
  return out;
}

Result<SecretBytes> decrypt_header(const Header& header, std::size_t slot, const json_t* key) {
  const JsonPtr jwe = to_jansson(header.jwe);
  if (jwe == nullptr) return no_memory();
  const json_t* recipient = json_array_get(json_object_get(jwe.get(), "recipients"), slot);
  const JsonPtr cek(jose_jwe_dec_jwk(quiet(), jwe.get(), recipient, key));
  if (cek == nullptr)
    return denied("dataset.key", "key slot " + header.slots[slot] + " does not open with its key",
                  "the dataset was sealed for another key of that name, or the slot was altered");
  return decrypt_content(jwe.get(), cek.get());
}

}  // namespace casemate::dataset
