#include "hooks/dataset/format.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace casemate::dataset {
namespace {

void put_u32(unsigned char* at, std::uint32_t value) {
  for (int i = 0; i < 4; ++i) at[i] = static_cast<unsigned char>(value >> (8 * i));
}
std::uint32_t get_u32(const unsigned char* at) {
  std::uint32_t value = 0;
  for (int i = 3; i >= 0; --i) value = value << 8 | at[i];
  return value;
}

std::unexpected<Error> malformed(const char* what) {
  return bad_input("dataset.format", what, "the file is damaged or is not a sealed dataset");
}

}  // namespace

std::uint64_t padme(std::uint64_t size) {
  if (size < 2) return size;
  const auto exponent = static_cast<unsigned>(std::bit_width(size)) - 1;
  const auto significant = static_cast<unsigned>(std::bit_width(exponent));
  const std::uint64_t mask = (std::uint64_t{1} << (exponent - significant)) - 1;
  return (size + mask) & ~mask;
}

Result<std::uint32_t> parse_prefix(std::span<const unsigned char> bytes) {
  if (bytes.size() < kPrefixBytes || !std::equal(kMagic.begin(), kMagic.end(), bytes.begin()))
    return malformed("not a sealed dataset: the first bytes are not its magic number");
  const std::uint32_t version = get_u32(bytes.data() + 8);
  if (version != kFormatVersion)
    return unsupported("dataset.version", "sealed dataset of format version " +
                                              std::to_string(version) + "; this program knows 1");
  const std::uint32_t length = get_u32(bytes.data() + 12);
  if (length < 2 || length > kMaxHeaderBytes) return malformed("header length out of range");
  return length;
}

std::array<unsigned char, kPrefixBytes> make_prefix(std::uint32_t header_bytes) {
  std::array<unsigned char, kPrefixBytes> out{};
  std::copy(kMagic.begin(), kMagic.end(), out.begin());
  put_u32(out.data() + 8, kFormatVersion);
  put_u32(out.data() + 12, header_bytes);
  return out;
}

std::uint64_t body_bytes_for(std::uint64_t index_bytes, std::uint64_t payload_bytes) {
  const std::uint64_t least = align_up(index_bytes, kAlign) + align_up(payload_bytes, kAlign);
  const std::uint64_t used = std::max(least, align_up(index_bytes, kAlign) + kAlign);
  return align_up(padme(std::max(used, kMinBody)), kAlign);
}

Result<Layout> make_layout(std::uint64_t header_bytes, std::uint64_t body_bytes,
                           std::uint64_t index_bytes, std::uint64_t payload_bytes) {
  if (header_bytes < 2 || header_bytes > kMaxHeaderBytes || body_bytes < kMinBody ||
      body_bytes > kMaxBody || body_bytes % kAlign != 0)
    return malformed("body size out of range");
  if (index_bytes == 0 || index_bytes > kMaxIndex || payload_bytes > body_bytes)
    return malformed("index or payload size out of range");
  Layout out;
  out.index_cipher = align_up(index_bytes, kAlign);
  if (out.index_cipher + kAlign > body_bytes || payload_bytes > body_bytes - out.index_cipher)
    return malformed("index and payload do not fit into the body");
  out.body_bytes = body_bytes;
  out.payload_cipher = body_bytes - out.index_cipher;
  out.tags_at = align_up(kPrefixBytes + header_bytes, kAlign);
  out.tag_slots = (body_bytes + kChunk - 1) / kChunk + 1;
  out.body_at = out.tags_at + align_up(out.tag_slots * kTagBytes, kAlign);
  out.file_bytes = out.body_at + body_bytes;
  return out;
}

Result<std::uint64_t> body_of_file(std::uint64_t file_bytes, std::uint64_t header_bytes) {
  const std::uint64_t tags_at = align_up(kPrefixBytes + header_bytes, kAlign);
  if (file_bytes < tags_at + kAlign + kMinBody || file_bytes % kAlign != 0 || file_bytes > kMaxBody)
    return malformed("the file's size fits no sealed dataset: it is truncated or was appended to");
  // The table grows with the body: a few steps of correction find the only size that fits.
  std::uint64_t body = file_bytes - tags_at;
  for (int step = 0; step < 8; ++step) {
    const std::uint64_t slots = (body + kChunk - 1) / kChunk + 1;
    const std::uint64_t table = align_up(slots * kTagBytes, kAlign);
    if (tags_at + table + body == file_bytes) return body;
    body = file_bytes - tags_at - table;
  }
  return malformed("the file's size fits no sealed dataset: it is truncated or was appended to");
}

std::array<unsigned char, 12> chunk_nonce(std::uint64_t number, bool last) {
  std::array<unsigned char, 12> nonce{};
  for (int i = 0; i < 8; ++i) nonce[10 - i] = static_cast<unsigned char>(number >> (8 * i));
  nonce[11] = last ? 1 : 0;
  return nonce;
}

}  // namespace casemate::dataset
