#include "shim/evidence/record.h"

#include <charconv>
#include <cstdio>

#include "shim/base/encoding.h"

namespace casemate::evidence {
namespace {

// Everything beyond printable ASCII as \uXXXX: no name from outside can forge a line or drive a
// terminal.
std::string canonical(const Json& value) {
  return value.dump(-1, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace);
}

}  // namespace

std::string render_record(const Json& body, std::string& hash) {
  hash = sha256_hex(canonical(body));
  Json record = body;
  record["hash"] = hash;
  return canonical(record);
}

Result<Record> parse_record(std::string_view line) {
  Json value;
  if (auto parsed = parse_json(line); parsed)
    value = std::move(*parsed);
  else
    return bad_input("audit.syntax", parsed.error().what);
  auto object = JsonObject::of(value);
  if (!object) return bad_input("audit.syntax", "a record is no JSON object");
  const auto seq = object->get<std::uint64_t>("seq");
  const auto prev = object->get<std::string>("prev");
  const auto hash = object->get<std::string>("hash");
  const auto event = object->get_or<std::string>("event", "");
  if (!seq || !prev || !hash || !event)
    return bad_input("audit.syntax", "seq, prev or hash is missing, or the event is no text");
  if (canonical(value) != line)
    return bad_input("audit.canonical", "the record is not written as casemate writes it");
  Record record{.head = {.seq = *seq, .hash = *hash}, .prev = *prev, .event = *event};
  value.erase("hash");
  if (sha256_hex(canonical(value)) != record.head.hash)
    return bad_input("audit.hash", "the record was changed: its hash does not match");
  return record;
}

std::string render_head(const AuditHead& head) {
  char digits[24];
  std::snprintf(digits, sizeof digits, "%020llu", static_cast<unsigned long long>(head.seq));
  return std::string(digits) + " " + head.hash + "\n";
}

std::optional<AuditHead> parse_head(std::string_view text) {
  if (text.size() != kHeadSize || text[20] != ' ' || text.back() != '\n') return std::nullopt;
  AuditHead head;
  const auto [end, error] = std::from_chars(text.data(), text.data() + 20, head.seq);
  if (error != std::errc() || end != text.data() + 20) return std::nullopt;
  head.hash = std::string(text.substr(21, 64));
  return head;
}

}  // namespace casemate::evidence
