#include "shim/evidence/dsse.h"

#include <algorithm>

#include "shim/evidence/receipt.h"

namespace casemate::evidence {
namespace {

constexpr std::string_view kBegin = "-----BEGIN PUBLIC KEY-----\n";
constexpr std::string_view kEnd = "\n-----END PUBLIC KEY-----\n";
// SEQUENCE { SEQUENCE { OID 1.3.101.112 } BIT STRING (32 bytes) }
constexpr std::array<unsigned char, 12> kDerPrefix = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
                                                      0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};

Bytes to_der(const PublicKey& key) {
  Bytes der(kDerPrefix.begin(), kDerPrefix.end());
  der.insert(der.end(), key.begin(), key.end());
  return der;
}

Result<Envelope> read_envelope(const Json& value) {
  auto object = TRY(JsonObject::of(value));
  Envelope envelope;
  envelope.payload_type = TRY(object.get<std::string>("payloadType"));
  const auto payload_text = TRY(object.get<std::string>("payload"));
  const auto payload = TRY(from_base64(payload_text));
  envelope.payload = std::string(as_text(payload));
  auto signatures = TRY(object.objects("signatures"));
  if (signatures.size() != 1) return bad_input("receipt.envelope", "not exactly one signature");
  envelope.key_id = TRY(signatures[0].get_or<std::string>("keyid", ""));
  const auto signature_text = TRY(signatures[0].get<std::string>("sig"));
  envelope.signature = TRY(from_base64(signature_text));
  if (envelope.signature.size() != 64)
    return bad_input("receipt.envelope", "not 64 bytes of Ed25519");
  TRY(signatures[0].done());
  TRY(object.done());
  return envelope;
}

}  // namespace

std::string to_pem(const PublicKey& key) {
  return std::string(kBegin) + to_base64(to_der(key)) + std::string(kEnd);
}

Result<PublicKey> from_pem(std::string_view pem) {
  const auto bad = [] {
    return bad_input("receipt.public-key", "not a PEM Ed25519 public key",
                     "give the receipt.pub of the host that wrote the receipt");
  };
  if (!pem.starts_with(kBegin)) return bad();
  pem.remove_prefix(kBegin.size());
  if (!pem.ends_with('\n')) return bad();
  if (!pem.ends_with(kEnd)) return bad();
  pem.remove_suffix(kEnd.size());
  const auto der = from_base64(pem);
  if (!der || der->size() != kDerPrefix.size() + 32 ||
      !std::equal(kDerPrefix.begin(), kDerPrefix.end(), der->begin()))
    return bad();
  PublicKey key;
  std::copy(der->begin() + kDerPrefix.size(), der->end(), key.begin());
  return key;
}

std::string key_id(const PublicKey& key) {
  return "sha256:" + to_hex(sha256(to_der(key)));
}

std::string dsse_pae(std::string_view type, std::string_view body) {
  return "DSSEv1 " + std::to_string(type.size()) + " " + std::string(type) + " " +
         std::to_string(body.size()) + " " + std::string(body);
}

Json to_json(const Envelope& envelope) {
  return {{"payloadType", envelope.payload_type},
          {"payload", to_base64(as_bytes(envelope.payload))},
          {"signatures",
           Json::array({{{"keyid", envelope.key_id}, {"sig", to_base64(envelope.signature)}}})}};
}

Result<Envelope> parse_envelope(std::string_view text) {
  const Json value = TRY(parse_json(text));
  auto envelope = read_envelope(value);
  if (!envelope)
    return bad_input("receipt.envelope", "not a receipt's envelope: " + envelope.error().what);
  return envelope;
}

}  // namespace casemate::evidence
