// Where things lie in a sealed dataset (docs/SEALED-DATASET.md). Pure arithmetic on untrusted
// numbers: nothing here can overflow for inputs within the limits below, and inputs beyond them are
// refused.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "shim/base/result.h"

namespace casemate::dataset {

inline constexpr std::array<unsigned char, 8> kMagic = {0x89, 'C', 'M', 'D', 'S', '\r', '\n', 0x1a};
inline constexpr std::uint32_t kFormatVersion = 1;
inline constexpr std::size_t kPrefixBytes = 16;
inline constexpr std::size_t kMaxHeaderBytes = 64 * 1024;
inline constexpr std::uint64_t kAlign = 4096;
inline constexpr std::uint64_t kChunk = 256 * 1024;
inline constexpr std::size_t kTagBytes = 16;
inline constexpr std::size_t kKeyBytes = 32;
inline constexpr std::uint64_t kMinBody = 64 * 1024;
inline constexpr std::uint64_t kMaxBody = std::uint64_t{1} << 50;   // 1 PiB
inline constexpr std::uint64_t kMaxIndex = std::uint64_t{1} << 29;  // 512 MiB
inline constexpr std::uint64_t kMaxEntries = std::uint64_t{1} << 23;
// A file of this size or more begins at a chunk border, so that its chunks decrypt straight into
// it.
inline constexpr std::uint64_t kAlignedFile = 8 * kChunk;

constexpr std::uint64_t align_up(std::uint64_t n, std::uint64_t to) {
  return (n + to - 1) / to * to;
}

// Padmé (Nikitin et al., PoPETs 2019/4): the next size whose low bits are zero, so that a size
// shows only the order of magnitude; at most 12 % more, less with growing size.
std::uint64_t padme(std::uint64_t size);

// The 16 bytes at the file's begin; errors dataset.format, dataset.version.
Result<std::uint32_t> parse_prefix(std::span<const unsigned char> bytes);  // the header's length
std::array<unsigned char, kPrefixBytes> make_prefix(std::uint32_t header_bytes);

struct Layout {
  std::uint64_t tags_at = 0;    // tag table
  std::uint64_t tag_slots = 0;  // its entries: one more than the body's chunks rounded up
  std::uint64_t body_at = 0;    // index ciphertext, then payload ciphertext
  std::uint64_t body_bytes = 0;
  std::uint64_t file_bytes = 0;

  std::uint64_t index_cipher = 0;    // bytes of index ciphertext
  std::uint64_t payload_cipher = 0;  // bytes of payload ciphertext
  std::uint64_t index_chunks() const { return (index_cipher + kChunk - 1) / kChunk; }
  std::uint64_t payload_chunks() const { return (payload_cipher + kChunk - 1) / kChunk; }
  std::uint64_t payload_at() const { return body_at + index_cipher; }
};

// The body's size for an index and a payload of these sizes, padding included.
std::uint64_t body_bytes_for(std::uint64_t index_bytes, std::uint64_t payload_bytes);

// bad_input dataset.format when the numbers do not fit each other or the limits.
Result<Layout> make_layout(std::uint64_t header_bytes, std::uint64_t body_bytes,
                           std::uint64_t index_bytes, std::uint64_t payload_bytes);

// What an outsider can tell from the file's size and the header's length: the padded body.
Result<std::uint64_t> body_of_file(std::uint64_t file_bytes, std::uint64_t header_bytes);

// Nonce of chunk `number` of its stream: 11 bytes of big-endian counter, then 1 for the last chunk
// of the stream, else 0 (the STREAM construction of Hoang, Reyhanitabar, Rogaway, Vizár 2015).
std::array<unsigned char, 12> chunk_nonce(std::uint64_t number, bool last);

}  // namespace casemate::dataset
