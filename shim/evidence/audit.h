// The audit log: JSON lines, each chained to the one before by SHA-256. A record is
//   {"version":1,"seq":n,"time":…,"boot_id":…,"event":…,"container":…,"facts":{…},"prev":hex,"hash":hex}
// with sorted keys and every control and non-ASCII character escaped; hash is SHA-256 of the line
// without its "hash" member, prev the hash of the record before (64 zeros for the first). Beside
// the log, "<log>.head" keeps the newest seq and hash, so that a log cut at a line's end shows too.
// The receipts carry the head of their time, signed: who rewrites log and head contradicts them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "shim/base/json.h"
#include "shim/base/result.h"
#include "shim/base/unique_fd.h"
#include "shim/sys/kernel.h"

namespace casemate::evidence {

// Events in use: create.allow, create.deny, create.rollback, start, container.end, receipt.written,
// audit.repaired (a torn last line was cut off) and audit.truncated (the head knew more than the
// log), both written by append itself.
struct AuditHead {
  std::uint64_t seq = 0;  // 0: an empty log
  std::string hash = std::string(64, '0');
};

class AuditLog {
 public:
  // Opens or creates the log (0600) and its folder (0700).
  static Result<AuditLog> open(sys::Kernel& kernel, const std::string& path);

  // Appends one record under flock(2), with O_APPEND and one write(2), and returns the new head.
  // internal "audit.broken" when the last record does not hold: nothing is written after it.
  // bad_input "audit.size" for a record above 32 KiB.
  Result<AuditHead> append(std::string_view event, std::string_view container, const Json& facts);

 private:
  AuditLog(sys::Kernel& kernel, UniqueFd log, UniqueFd head)
      : kernel_(&kernel), log_(std::move(log)), head_(std::move(head)) {}
  Result<AuditHead> append_locked(std::string_view event, std::string_view container,
                                  const Json& facts);
  Result<AuditHead> write_record(const AuditHead& last, std::string_view event,
                                 std::string_view container, const Json& facts);

  sys::Kernel* kernel_;
  UniqueFd log_;
  UniqueFd head_;
};

// What verify_audit() found.
struct AuditVerdict {
  std::uint64_t records = 0;  // intact records before the first problem
  AuditHead head;             // of the last intact one
  // "" when intact, else "audit.torn" (last line not complete), "audit.syntax", "audit.canonical",
  // "audit.hash" (edited), "audit.chain" (prev does not match), "audit.sequence" (missing or
  // reordered), "audit.truncated" (the head file knows more, or a record says it did).
  std::string rule;
  std::uint64_t line = 0;  // of the first problem, from 1
  std::string problem;
  bool intact() const { return rule.empty(); }
};
// Reads the log record by record; its size does not matter.
Result<AuditVerdict> verify_audit(sys::Kernel& kernel, const std::string& path);

}  // namespace casemate::evidence
