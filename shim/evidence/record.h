// One line of the audit log, and its head mark. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "shim/evidence/audit.h"

namespace casemate::evidence {

// The line (without newline) of a record whose members but "hash" are in `body`; sets `hash`.
std::string render_record(const Json& body, std::string& hash);

struct Record {
  AuditHead head;    // of this record
  std::string prev;  // hash it claims for the one before
  std::string event;
};
// bad_input "audit.syntax", "audit.canonical" or "audit.hash".
Result<Record> parse_record(std::string_view line);

// The event of a record before which others are missing: its writer found a head that knew more.
inline constexpr std::string_view kTruncated = "audit.truncated";

// "<seq, 20 digits> <hash>\n": always of one length, so that one pwrite(2) replaces it.
inline constexpr std::size_t kHeadSize = 20 + 1 + 64 + 1;
std::string render_head(const AuditHead& head);
std::optional<AuditHead> parse_head(std::string_view text);

}  // namespace casemate::evidence
