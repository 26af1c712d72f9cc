#include "shim/evidence/receipt.h"

#include <sodium.h>
#include <sys/utsname.h>

#include <array>

#include "shim/base/clock.h"
#include "shim/base/encoding.h"
#include "shim/evidence/dsse.h"
#include "shim/fs/host_file.h"

namespace casemate::evidence {
namespace {

constexpr std::string_view kStatementType = "https://in-toto.io/Statement/v1";
// Every receipt has these, null where nothing is known.
constexpr std::array kMembers = {"container", "root", "tenant",   "scheduler", "job",   "image",
                                 "profile",   "plan", "decision", "datasets",  "times", "exitCode",
                                 "wiped",     "gpu",  "warden",   "twin",      "audit", "host"};

Json subject_of(const Json& facts) {
  const auto digest = facts.find("imageDigest");
  if (digest != facts.end() && digest->is_string()) {
    const auto& text = digest->get_ref<const std::string&>();
    if (is_sha256_digest(text))
      return {{"name", "image"}, {"digest", {{"sha256", text.substr(sizeof "sha256:" - 1)}}}};
  }
  // No verified identity: in-toto wants a digest, so the name says that this one means nothing.
  return {{"name", "rootfs:unverified"}, {"digest", {{"sha256", std::string(64, '0')}}}};
}

Result<Json> checked_statement(const std::string& payload) {
  Json statement = TRY(parse_json(payload));
  auto object = TRY(JsonObject::of(statement));
  const auto type = TRY(object.get<std::string>("_type"));
  const auto predicate_type = TRY(object.get<std::string>("predicateType"));
  const bool has_predicate = object.has("predicate") && object.raw().at("predicate").is_object();
  if (type != kStatementType || predicate_type != kPredicateType || !has_predicate)
    return bad_input("receipt.format", "a signed statement, but not a casemate receipt");
  return statement;
}

}  // namespace

Json make_statement(const Json& facts) {
  Json predicate = facts;
  predicate.erase("imageDigest");
  for (const char* member : kMembers)
    if (!predicate.contains(member)) predicate[member] = nullptr;
  return {{"_type", kStatementType},
          {"subject", Json::array({subject_of(facts)})},
          {"predicateType", kPredicateType},
          {"predicate", std::move(predicate)}};
}

Result<Json> ReceiptKey::sign(const Json& statement) const {
  Envelope envelope{.payload_type = std::string(kPayloadType),
                    .payload = dump(statement),
                    .key_id = id_,
                    .signature = Bytes(crypto_sign_BYTES)};
  const std::string pae = dsse_pae(envelope.payload_type, envelope.payload);
  crypto_sign_detached(envelope.signature.data(), nullptr, as_bytes(pae).data(), pae.size(),
                       secret_.data());
  return to_json(envelope);
}

// File names get the time without characters that need quoting: 20260102T030405Z.
std::string receipt_name(const Json& facts) {
  std::string time;
  for (const char c : now_rfc3339())
    if (c != '-' && c != ':') time += c;
  std::array<unsigned char, 4> random;
  randombytes_buf(random.data(), random.size());
  const auto id = facts.find("container");
  const std::string name =
      id != facts.end() && id->is_string() ? id->get<std::string>() : "unknown";
  // An id may be as long as a file name: the statement holds the whole of it.
  return name.substr(0, 128) + "-" + time + "-" + to_hex(random) + ".json";
}

Status write_receipt(sys::Kernel& kernel, const ReceiptKey& key, const std::string& receipts_dir,
                     const std::string& name, const Json& facts) {
  const auto dir = TRY(fs::make_directories(kernel, receipts_dir, 0700));
  const Json envelope = TRY(key.sign(make_statement(facts)));
  return fs::write_atomically_at(kernel, dir.get(), name, dump(envelope) + "\n", 0600);
}

Result<Json> verify_receipt(std::string_view envelope_text, std::string_view public_pem) {
  const PublicKey key = TRY(from_pem(public_pem));
  const Envelope envelope = TRY(parse_envelope(envelope_text));
  const std::string pae = dsse_pae(envelope.payload_type, envelope.payload);
  if (crypto_sign_verify_detached(envelope.signature.data(), as_bytes(pae).data(), pae.size(),
                                  key.data()) != 0)
    return denied("receipt.signature", "the receipt's signature does not hold for this key",
                  "the receipt was changed, or another host wrote it");
  if (envelope.payload_type != kPayloadType)
    return bad_input("receipt.format", "a signed envelope, but not an in-toto statement");
  return checked_statement(envelope.payload);
}

Result<Json> unverified_statement(std::string_view envelope_text) {
  const Envelope envelope = TRY(parse_envelope(envelope_text));
  return checked_statement(envelope.payload);
}

Json host_facts(sys::Kernel& kernel) {
  Json host = {{"bootId", nullptr}, {"kernel", nullptr}};
  if (auto id = fs::read_file(kernel, "/proc/sys/kernel/random/boot_id", 64))
    host["bootId"] = id->substr(0, id->find('\n'));
  utsname names{};
  if (::uname(&names) == 0) host["kernel"] = names.release;
  return host;
}

}  // namespace casemate::evidence
