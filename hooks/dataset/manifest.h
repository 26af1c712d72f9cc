// The manifest: what the tenant signs. It holds the data encryption key, so its text exists only in
// secret memory and its JSON only in the locked arena.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "shim/base/encoding.h"
#include "shim/base/result.h"
#include "shim/base/secret_bytes.h"

namespace casemate::dataset {

enum class Criticality { public_, internal, confidential, restricted };
std::string_view to_string(Criticality level);
Result<Criticality> parse_criticality(std::string_view text);  // dataset.criticality

// Who may open the dataset. An empty list allows any.
struct Conditions {
  std::vector<std::string> profiles;
  std::vector<std::string> image_signers;
};

using FileId = std::array<unsigned char, 16>;

struct Manifest {
  FileId file{};
  std::string tenant;
  std::string dataset;
  std::uint64_t serial = 0;
  Criticality criticality = Criticality::restricted;
  std::string created;  // RFC 3339
  SecretBytes dek;      // 32 bytes
  std::array<unsigned char, 32> salt{};
  std::uint64_t body_bytes = 0;
  std::uint64_t index_bytes = 0;
  std::array<unsigned char, 32> index_digest{};  // SHA-256 of the index in clear
  std::uint64_t payload_bytes = 0;               // with the gaps before aligned files
  std::uint64_t files = 0;
  std::uint64_t total_bytes = 0;  // sum of the files' sizes
  Conditions conditions;
};

// Names of tenants and datasets: 1 to 128 of [A-Za-z0-9._-], not starting with '.' or '-'.
bool is_name(std::string_view text);

// UTF-8 JSON in secret memory. use_locked_json() must have been called, here and in the parser.
Result<SecretBytes> manifest_to_json(const Manifest& manifest);
// Strict: unknown, missing or duplicate members, other types and other versions are refused
// (bad_input dataset.manifest; dataset.condition for a condition this program does not know).
Result<Manifest> parse_manifest(const SecretBytes& json);

}  // namespace casemate::dataset
