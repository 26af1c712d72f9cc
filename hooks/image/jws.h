// JWS (RFC 7515) as casemate uses it: flattened JSON serialisation {"payload", "protected",
// "signature"}, protected header exactly {"alg", "kid", "typ"}, alg ES256 (RFC 7518) or EdDSA
// (RFC 8037). Everything else is refused: unprotected headers, "crit", "jwk", "none", other
// members. The algorithm follows from the key's type and must also be what the header says.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "hooks/image/signature.h"
#include "shim/base/result.h"

namespace casemate::image {

inline constexpr std::string_view kJobType = "casemate-job+jws";
inline constexpr std::size_t kMaxJws = 1 << 20;

struct UnverifiedJws {
  std::string alg, kid, typ;
  std::string payload;        // decoded
  std::string signing_input;  // what the signature is over
  Bytes signature;            // as in the text: raw r||s for ES256
};
// bad_input "jws.format", "jws.header", "json.*". For showing; nothing of it may be trusted.
Result<UnverifiedJws> parse_jws(std::string_view text);

struct VerifiedJws {
  std::string kid;
  std::string payload;
};
// The key is the one named as kid. denied "jws.type", "jws.key", "jws.algorithm", "jws.signature".
Result<VerifiedJws> verify_jws(std::string_view text, std::string_view typ,
                               std::span<const NamedKey> keys);

Result<std::string> sign_jws(const PrivateKey& key, std::string_view kid, std::string_view typ,
                             std::string_view payload);

}  // namespace casemate::image
