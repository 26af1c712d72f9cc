#include "hooks/dataset/header.h"

#include <algorithm>
#include <set>

#include "hooks/dataset/format.h"
#include "shim/base/encoding.h"

namespace casemate::dataset {
namespace {

std::unexpected<Error> malformed(std::string what) {
  return bad_input("dataset.header", "sealed header: " + std::move(what),
                   "the file is damaged or was not made by a sealing program of this format");
}

// base64url of `low` to `high` bytes, in its only canonical spelling.
Result<Bytes> decode(const std::string& text, std::string_view key, std::size_t low,
                     std::size_t high) {
  auto bytes = from_base64url(text);
  if (!bytes || bytes->size() < low || bytes->size() > high)
    return malformed("\"" + std::string(key) + "\" is not base64url of the right length");
  return bytes;
}

Status check_bytes(JsonObject& object, std::string_view key, std::size_t low, std::size_t high) {
  const auto text = TRY(object.get<std::string>(key));
  TRY(decode(text, key, low, high));
  return {};
}

Status check_recipient(JsonObject& recipient, std::string& kid) {
  auto header = TRY(recipient.object("header"));
  kid = TRY(header.get<std::string>("kid"));
  if (!is_kid(kid)) return malformed("a key slot's kid is not a label");
  if (TRY(header.get<std::string>("alg")) != kSlotAlgorithm)
    return malformed("a key slot's alg is not " + std::string(kSlotAlgorithm));
  auto epk = TRY(header.object("epk"));
  if (TRY(epk.get<std::string>("kty")) != "EC" || TRY(epk.get<std::string>("crv")) != "P-256")
    return malformed("a key slot's epk is not an EC key on P-256");
  TRY(check_bytes(epk, "x", 32, 32));
  TRY(check_bytes(epk, "y", 32, 32));
  TRY(epk.done());
  TRY(header.done());
  TRY(check_bytes(recipient, "encrypted_key", 40, 40));
  return recipient.done();
}

Status check_protected(const std::string& text, FileId& file) {
  const Bytes bytes = TRY(decode(text, "protected", 2, 1024));
  const Json json = TRY(parse_json(as_text(bytes)));
  auto object = TRY(JsonObject::of(json));
  const auto id = TRY(object.get<std::string>("casemate.file"));
  const Bytes raw = TRY(decode(id, "casemate.file", file.size(), file.size()));
  std::copy(raw.begin(), raw.end(), file.begin());
  const Json expected = protected_header(file);
  if (json != expected) return malformed("the protected header is not the one of this format");
  return {};
}

Result<Header> check(Json json) {
  Header out;
  auto object = TRY(JsonObject::of(json));
  const auto head = TRY(object.get<std::string>("protected"));
  TRY(check_protected(head, out.file));
  TRY(check_bytes(object, "iv", 12, 12));
  TRY(check_bytes(object, "tag", 16, 16));
  TRY(check_bytes(object, "ciphertext", 1, kMaxHeaderBytes));
  auto recipients = TRY(object.objects("recipients"));
  if (recipients.empty() || recipients.size() > kMaxSlots)
    return malformed("it has no key slot or more than 32");
  std::set<std::string> seen;
  for (auto& recipient : recipients) {
    std::string kid;
    TRY(check_recipient(recipient, kid));
    if (!seen.insert(kid).second) return malformed("two key slots have one kid");
    out.slots.push_back(std::move(kid));
  }
  TRY(object.done());
  out.jwe = std::move(json);
  return out;
}

}  // namespace

bool is_kid(std::string_view text) {
  const auto allowed = [](char c) { return c > ' ' && c < 0x7f && c != '"' && c != '\\'; };
  return !text.empty() && text.size() <= 256 && std::all_of(text.begin(), text.end(), allowed);
}

Json protected_header(const FileId& file) {
  return {{"casemate.file", to_base64url(file)},
          {"casemate.format", kFormatVersion},
          {"enc", "A256GCM"},
          {"typ", "casemate-dataset+jwe"}};
}

Result<Header> parse_header(std::string_view json) {
  auto parsed = parse_json(json);
  if (!parsed) return malformed(parsed.error().what);
  auto header = check(std::move(*parsed));
  if (!header && header.error().rule != "dataset.header")
    return malformed(header.error().what + " at " + header.error().pointer);
  return header;
}

}  // namespace casemate::dataset
