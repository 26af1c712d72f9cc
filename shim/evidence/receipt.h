// Receipts: what happened to one container, signed by the host. An in-toto Statement v1 in a DSSE
// envelope (secure-systems-lab/dsse v1.0.2), Ed25519 (RFC 8032). Anyone can verify one offline with
// the host's receipt.pub.
//
// The facts are one JSON object that grows while the container lives:
//   container  id                     imageDigest   "sha256:…" or absent (subject is "unverified")
//   root       --root                 image         {digest, signer, level}
//   tenant     string                 profile       {name, digest, mode, tainted}
//   scheduler  string                 plan          "sha256:…"
//   job        {nonce}                decision      {findings, tightened}
//   datasets   [{id, serial, slot, bytes}]          gpu "none" | {…}
//   updatedPlan, updatedProfile "sha256:…" of the last change of its limits; absent without one
//   times      {created, started, ended, wiped}     exitCode int | null
//   wiped      {bytes, files, seconds} | null       warden, twin "ok" | "lost"
//              with interrupted: true when one that was killed may have overwritten more than that
//   audit      {seq, hash}            host          {bootId, kernel}
// The caller of the warden gives the first ones; the warden adds times, exitCode, wiped, warden,
// twin, audit and host. Members the caller leaves out are null in the receipt; others are kept.
#pragma once

#include <string>
#include <string_view>

#include "shim/base/json.h"
#include "shim/base/result.h"
#include "shim/base/secret_bytes.h"
#include "shim/sys/kernel.h"

namespace casemate::evidence {

constexpr std::string_view kPayloadType = "application/vnd.in-toto+json";
constexpr std::string_view kPredicateType = "https://casemate.dev/receipt/v1";

// DSSE pre-authentication encoding: what is signed.
std::string dsse_pae(std::string_view type, std::string_view body);

// The in-toto statement of the facts. Pure.
Json make_statement(const Json& facts);

class ReceiptKey {
 public:
  // <keys>/receipt.key (32 byte seed, 0600), made at first use with receipt.pub (PEM, 0644) beside.
  // A key file with other permissions or another size is refused (denied "receipt.key").
  static Result<ReceiptKey> load_or_create(sys::Kernel& kernel, const std::string& keys_dir);

  const std::string& public_pem() const { return public_pem_; }  // SubjectPublicKeyInfo, RFC 8410
  const std::string& id() const { return id_; }                  // "sha256:" of the DER of it
  // The DSSE envelope of a statement.
  Result<Json> sign(const Json& statement) const;

 private:
  SecretBytes secret_;  // libsodium's form: seed and public key
  std::string public_pem_;
  std::string id_;
};

// A new name for the receipt of these facts: <id>-<time>-<random>.json.
std::string receipt_name(const Json& facts);
// Signs and writes <receipts>/<name> (0600) by rename.
Status write_receipt(sys::Kernel& kernel, const ReceiptKey& key, const std::string& receipts_dir,
                     const std::string& name, const Json& facts);

// The statement of an envelope, if its signature by the PEM key holds (denied "receipt.signature"
// otherwise) and it is a receipt (bad_input "receipt.format").
Result<Json> verify_receipt(std::string_view envelope, std::string_view public_pem);
// The statement without looking at the signature, for display only.
Result<Json> unverified_statement(std::string_view envelope);
// For people: one fact a line.
std::string describe_receipt(const Json& statement);

// boot_id and kernel release of this host.
Json host_facts(sys::Kernel& kernel);

}  // namespace casemate::evidence
