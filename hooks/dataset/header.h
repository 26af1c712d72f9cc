// The outer header: a JWE in general JSON serialisation (RFC 7516, 7.2.1), of which exactly one
// shape is accepted. All of it is public; everything is checked before libjose sees any of it, so
// that no algorithm, compression or iteration count is the sender's choice.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "hooks/dataset/manifest.h"
#include "shim/base/json.h"
#include "shim/base/result.h"

namespace casemate::dataset {

inline constexpr std::size_t kMaxSlots = 32;
inline constexpr std::string_view kSlotAlgorithm = "ECDH-ES+A256KW";

struct Header {
  FileId file{};                   // from the protected header: authenticated by the JWE only
  std::vector<std::string> slots;  // each recipient's kid, in order; not authenticated
  Json jwe;                        // as checked
};

// bad_input dataset.header when any member is missing, unknown, mistyped or out of bounds.
Result<Header> parse_header(std::string_view json);

// A slot's kid is a URI-like label: 1 to 256 printable ASCII characters without space, quote or \.
bool is_kid(std::string_view text);

// The JWE protected header's JSON for a file id.
Json protected_header(const FileId& file);

}  // namespace casemate::dataset
