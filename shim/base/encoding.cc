#include "shim/base/encoding.h"

#include <sodium.h>

#include <algorithm>

namespace casemate {
namespace {

std::string encode64(std::span<const unsigned char> bytes, int variant) {
  std::string out(sodium_base64_encoded_len(bytes.size(), variant), '\0');
  sodium_bin2base64(out.data(), out.size(), bytes.data(), bytes.size(), variant);
  out.pop_back();  // the terminating NUL that libsodium writes
  return out;
}

Result<Bytes> decode64(std::string_view text, int variant) {
  Bytes out(text.size() / 4 * 3 + 3);
  std::size_t length = 0;
  const char* end = nullptr;
  const int failed = sodium_base642bin(out.data(), out.size(), text.data(), text.size(), nullptr,
                                       &length, &end, variant);
  if (failed != 0 || end != text.data() + text.size())
    return bad_input("encoding.base64", "not valid base64");
  out.resize(length);
  // libsodium 1.0.18 takes bytes beyond ASCII for '/' or '_': only what we would write is valid.
  if (encode64(out, variant) != text) return bad_input("encoding.base64", "not valid base64");
  return out;
}

bool is_lower_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

}  // namespace

std::span<const unsigned char> as_bytes(std::string_view text) {
  return {reinterpret_cast<const unsigned char*>(text.data()), text.size()};
}
std::string_view as_text(std::span<const unsigned char> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string to_hex(std::span<const unsigned char> bytes) {
  std::string out(bytes.size() * 2 + 1, '\0');
  sodium_bin2hex(out.data(), out.size(), bytes.data(), bytes.size());
  out.pop_back();
  return out;
}

Result<Bytes> from_hex(std::string_view hex) {
  if (hex.size() % 2 != 0 || !std::all_of(hex.begin(), hex.end(), is_lower_hex))
    return bad_input("encoding.hex", "not lower-case hex digits in pairs");
  if (hex.empty()) return Bytes();
  Bytes out(hex.size() / 2);
  std::size_t length = 0;
  sodium_hex2bin(out.data(), out.size(), hex.data(), hex.size(), nullptr, &length, nullptr);
  return out;
}

std::string to_base64(std::span<const unsigned char> bytes) {
  return encode64(bytes, sodium_base64_VARIANT_ORIGINAL);
}
std::string to_base64url(std::span<const unsigned char> bytes) {
  return encode64(bytes, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}
Result<Bytes> from_base64(std::string_view text) {
  return decode64(text, sodium_base64_VARIANT_ORIGINAL);
}
Result<Bytes> from_base64url(std::string_view text) {
  return decode64(text, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

Sha256 sha256(std::span<const unsigned char> bytes) {
  Sha256 out;
  crypto_hash_sha256(out.data(), bytes.data(), bytes.size());
  return out;
}
std::string sha256_hex(std::string_view text) {
  return to_hex(sha256(as_bytes(text)));
}

bool is_sha256_digest(std::string_view digest) {
  constexpr std::string_view kPrefix = "sha256:";
  return digest.size() == kPrefix.size() + 64 && digest.starts_with(kPrefix) &&
         std::all_of(digest.begin() + kPrefix.size(), digest.end(), is_lower_hex);
}

}  // namespace casemate
