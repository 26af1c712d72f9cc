#include "hooks/image/jws.h"

#include <algorithm>

#include "shim/base/json.h"

namespace casemate::image {
namespace {

std::string_view algorithm_of(KeyType type) {
  return type == KeyType::p256 ? "ES256" : "EdDSA";
}

Result<Bytes> decode(JsonObject& jws, std::string_view member) {
  const auto text = TRY(jws.get<std::string>(member));
  auto bytes = from_base64url(text);
  if (bytes && !bytes->empty()) return bytes;
  return bad_input("jws.format", "\"" + std::string(member) + "\" is not base64url",
                   "make the file with: casectl job sign", jws.pointer_to(member));
}

Status read_header(std::string_view text, UnverifiedJws& out) {
  const Json json = TRY(parse_json(text));
  auto header = TRY(JsonObject::of(json, "/protected"));
  out.alg = TRY(header.get<std::string>("alg"));
  out.kid = TRY(header.get<std::string>("kid"));
  out.typ = TRY(header.get<std::string>("typ"));
  if (header.done()) return {};
  return bad_input("jws.header", "the protected header may hold alg, kid and typ only",
                   "\"crit\" and other extensions are not understood here", "/protected");
}

}  // namespace

Result<UnverifiedJws> parse_jws(std::string_view text) {
  if (text.size() > kMaxJws) return bad_input("jws.format", "larger than 1 MiB");
  const Json json = TRY(parse_json(text));
  auto jws = TRY(JsonObject::of(json));
  const auto header = TRY(decode(jws, "protected"));
  const auto payload = TRY(decode(jws, "payload"));
  UnverifiedJws out;
  out.signature = TRY(decode(jws, "signature"));
  TRY(jws.done());
  TRY(read_header(as_text(header), out));
  out.payload = as_text(payload);
  out.signing_input = json["protected"].get_ref<const std::string&>() + "." +
                      json["payload"].get_ref<const std::string&>();
  return out;
}

Result<VerifiedJws> verify_jws(std::string_view text, std::string_view typ,
                               std::span<const NamedKey> keys) {
  auto jws = TRY(parse_jws(text));
  if (jws.typ != typ)
    return denied("jws.type", "typ is \"" + jws.typ + "\", not \"" + std::string(typ) + "\"",
                  "this file was signed for another purpose");
  const auto named = [&](const NamedKey& key) { return key.name == jws.kid; };
  const auto at = std::find_if(keys.begin(), keys.end(), named);
  if (at == keys.end())
    return denied("jws.key", "no key is named \"" + jws.kid + "\"",
                  "kid must be the name of a scheduler in casemate.json");
  if (jws.alg != algorithm_of(at->key.type()))
    return denied("jws.algorithm", "alg \"" + jws.alg + "\" does not fit the key of " + jws.kid,
                  "the key's algorithm is " + std::string(algorithm_of(at->key.type())));
  const auto refuse = [&] {
    return denied("jws.signature", "the signature is not by the key of \"" + jws.kid + "\"",
                  "the file was changed, or signed with another key");
  };
  if (at->key.type() == KeyType::p256) {
    auto der = ecdsa_raw_to_der(jws.signature);
    if (!der) return refuse();
    jws.signature = std::move(*der);
  }
  if (!at->key.verify(jws.signing_input, jws.signature)) return refuse();
  return VerifiedJws{.kid = std::move(jws.kid), .payload = std::move(jws.payload)};
}

Result<std::string> sign_jws(const PrivateKey& key, std::string_view kid, std::string_view typ,
                             std::string_view payload) {
  const Json header = {{"alg", algorithm_of(key.type())}, {"kid", kid}, {"typ", typ}};
  const std::string protected_text = to_base64url(as_bytes(dump(header)));
  const std::string payload_text = to_base64url(as_bytes(payload));
  auto signature = TRY(key.sign(protected_text + "." + payload_text));
  if (key.type() == KeyType::p256) signature = TRY(ecdsa_der_to_raw(signature));
  return dump(Json{{"payload", payload_text},
                   {"protected", protected_text},
                   {"signature", to_base64url(signature)}});
}

}  // namespace casemate::image
