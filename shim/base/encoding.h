// Hex, base64 and SHA-256 for small data (libsodium). Bulk hashing belongs to the helpers.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shim/base/result.h"

namespace casemate {

using Bytes = std::vector<unsigned char>;
using Sha256 = std::array<unsigned char, 32>;

std::span<const unsigned char> as_bytes(std::string_view text);
std::string_view as_text(std::span<const unsigned char> bytes);

std::string to_hex(std::span<const unsigned char> bytes);
Result<Bytes> from_hex(std::string_view hex);  // lower case, even length

// RFC 4648 section 4 (with padding) and section 5 (url, without padding, as JOSE uses it).
// Decoding refuses white space, missing or superfluous padding and non-zero trailing bits.
std::string to_base64(std::span<const unsigned char> bytes);
std::string to_base64url(std::span<const unsigned char> bytes);
Result<Bytes> from_base64(std::string_view text);
Result<Bytes> from_base64url(std::string_view text);

Sha256 sha256(std::span<const unsigned char> bytes);
std::string sha256_hex(std::string_view text);

// An OCI digest: "sha256:" and 64 lower-case hex digits; nothing else is accepted.
bool is_sha256_digest(std::string_view digest);

}  // namespace casemate
