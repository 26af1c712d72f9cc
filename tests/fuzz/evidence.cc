#include "shim/evidence/dsse.h"
#include "shim/evidence/receipt.h"
#include "shim/evidence/record.h"
#include "tests/fuzz/target.h"

namespace casemate::fuzz {
namespace {

// A line that is accepted is the only one that says what it says.
void record(std::string_view input) {
  const auto parsed = evidence::parse_record(input);
  if (!accepted(parsed)) return;
  auto body = parse_json(input);
  expect(body.has_value(), "a record is strict JSON");
  body->erase("hash");
  std::string hash;
  expect(evidence::render_record(*body, hash) == input, "a record has one spelling");
  expect(hash == parsed->head.hash, "and the hash of it");
}

void head(std::string_view input) {
  if (const auto parsed = evidence::parse_head(input))
    expect(evidence::render_head(*parsed) == input, "a head has one spelling");
}

void envelope(std::string_view input) {
  const auto parsed = evidence::parse_envelope(input);
  if (!accepted(parsed)) return;
  expect(parsed->signature.size() == 64, "an Ed25519 signature");
  const auto again = evidence::parse_envelope(dump(evidence::to_json(*parsed)));
  expect(again && again->payload == parsed->payload && again->key_id == parsed->key_id &&
             again->signature == parsed->signature && again->payload_type == parsed->payload_type,
         "an envelope that was written is read back");
}

void public_key(std::string_view input) {
  const auto key = evidence::from_pem(input);
  if (!accepted(key)) return;
  const auto again = evidence::from_pem(evidence::to_pem(*key));
  expect(again && *again == *key, "a key that was written is read back");
}

evidence::Envelope wrap(std::string_view payload) {
  return {.payload_type = std::string(evidence::kPayloadType),
          .payload = std::string(payload),
          .key_id = "sha256:" + std::string(64, '0'),
          .signature = Bytes(64)};
}

// What casectl prints of a receipt that somebody sent.
void receipt(std::string_view input) {
  const std::string text = dump(evidence::to_json(wrap(input)));
  const auto statement = evidence::unverified_statement(text);
  if (!accepted(statement)) return;
  for (const unsigned char c : evidence::describe_receipt(*statement))
    expect(c == '\n' || (c >= 0x20 && c != 0x7f), "no control byte is printed");
  static_cast<void>(
      accepted(evidence::verify_receipt(text, evidence::to_pem(evidence::PublicKey{}))));
}

std::vector<std::string> record_seeds() {
  std::string hash;
  const Json body = {{"version", 1},
                     {"seq", 1},
                     {"time", "2026-01-02T03:04:05Z"},
                     {"boot_id", "0"},
                     {"event", "create.allow"},
                     {"container", "a"},
                     {"facts", {{"profile", "baseline"}}},
                     {"prev", std::string(64, '0')}};
  return {evidence::render_record(body, hash)};
}

std::vector<std::string> receipt_seeds() {
  const Json facts = {
      {"container", "a"},
      {"root", "/run"},
      {"tenant", "acme"},
      {"image", {{"digest", "sha256:" + std::string(64, 'a')}, {"signer", "build"}}},
      {"profile", {{"name", "restricted"}, {"digest", "x"}, {"mode", "enforce"}}},
      {"datasets", {{{"id", "digits"}, {"serial", 1}, {"bytes", 5}}}},
      {"times", {{"created", "x"}, {"started", "y"}, {"ended", "z"}}},
      {"exitCode", 0},
      {"wiped", {{"bytes", 1}, {"files", 2}, {"seconds", 0.5}}},
      {"audit", {{"seq", 1}, {"hash", "0"}}},
      {"host", {{"bootId", "b"}, {"kernel", "6.1"}}}};
  return {dump(evidence::make_statement(facts))};
}

const Target kTargets[] = {
    {.name = "evidence.record", .run = record, .seeds = record_seeds, .json = true},
    {.name = "evidence.head",
     .run = head,
     .seeds = [] { return std::vector<std::string>{evidence::render_head({})}; }},
    {.name = "evidence.envelope",
     .run = envelope,
     .seeds = [] { return std::vector<std::string>{dump(evidence::to_json(wrap("{}")))}; },
     .json = true},
    {.name = "evidence.public-key",
     .run = public_key,
     .seeds =
         [] { return std::vector<std::string>{evidence::to_pem(evidence::PublicKey{1, 2, 3})}; }},
    {.name = "evidence.receipt", .run = receipt, .seeds = receipt_seeds, .json = true},
};

}  // namespace

std::span<const Target> evidence_targets() {
  return kTargets;
}

}  // namespace casemate::fuzz
