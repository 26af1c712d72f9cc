// DSSE envelopes (secure-systems-lab/dsse v1.0.2) with one Ed25519 signature, and Ed25519 public
// keys as PEM (RFC 8410). Pure.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "shim/base/encoding.h"
#include "shim/base/json.h"
#include "shim/base/result.h"

namespace casemate::evidence {

using PublicKey = std::array<unsigned char, 32>;

std::string to_pem(const PublicKey& key);
// bad_input "receipt.public-key" for anything but one PEM block of one Ed25519 public key.
Result<PublicKey> from_pem(std::string_view pem);
std::string key_id(const PublicKey& key);  // "sha256:" of the DER

struct Envelope {
  std::string payload_type;
  std::string payload;
  std::string key_id;
  Bytes signature;  // 64 bytes
};
Json to_json(const Envelope& envelope);
// bad_input "receipt.envelope" unless it has exactly one signature and no unknown members.
Result<Envelope> parse_envelope(std::string_view text);

}  // namespace casemate::evidence
