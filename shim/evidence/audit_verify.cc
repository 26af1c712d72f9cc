#include <fcntl.h>
#include <sys/file.h>

#include "shim/evidence/audit.h"
#include "shim/evidence/record.h"
#include "shim/fs/host_file.h"

namespace casemate::evidence {
namespace {

constexpr std::size_t kMaxLine = 64 * 1024;

class Verifier {
 public:
  const AuditVerdict& verdict() const { return verdict_; }

  // `complete`: the line ended in a newline. False: stop.
  bool line(std::string_view text, bool complete) {
    if (!complete) return problem("audit.torn", "the last line is not complete");
    const auto record = parse_record(text);
    if (!record) return problem(record.error().rule, record.error().what);
    if (record->head.seq != verdict_.head.seq + 1)
      return problem("audit.sequence", "expected record " + std::to_string(verdict_.head.seq + 1) +
                                           ", found " + std::to_string(record->head.seq));
    if (record->prev != verdict_.head.hash)
      return problem("audit.chain", "the record does not follow the one before it");
    if (record->event == kTruncated && gap_ == 0) gap_ = record->head.seq;
    verdict_.head = record->head;
    ++verdict_.records;
    if (mark_ && mark_->seq == verdict_.head.seq && mark_->hash != verdict_.head.hash)
      return problem("audit.chain", "the head file knows another record here");
    return true;
  }

  void expect(std::optional<AuditHead> mark) { mark_ = std::move(mark); }
  void finish() {
    if (verdict_.intact() && mark_ && mark_->seq > verdict_.head.seq)
      problem(std::string(kTruncated), "the log ends at record " +
                                           std::to_string(verdict_.head.seq) + " but had " +
                                           std::to_string(mark_->seq));
    // The chain was looked at to its end: an edit behind a known gap shows too.
    if (verdict_.intact() && gap_ != 0) {
      verdict_.records = gap_ - 1;
      problem(std::string(kTruncated),
              "records are missing before this one, which says what the head knew");
    }
  }

 private:
  bool problem(std::string rule, std::string what) {
    verdict_.rule = std::move(rule);
    verdict_.problem = std::move(what);
    verdict_.line = verdict_.records + 1;
    return false;
  }

  AuditVerdict verdict_;
  std::optional<AuditHead> mark_;
  std::uint64_t gap_ = 0;  // the first record that tells of missing ones
};

// Hands each line to the verifier; at most one overlong line is in memory.
Status read_lines(sys::Kernel& kernel, int log, Verifier& verifier) {
  std::string rest;
  for (;;) {
    const std::string part = TRY(kernel.read(log, kMaxLine));
    if (part.empty()) break;
    rest += part;
    std::size_t begin = 0;
    for (auto end = rest.find('\n'); end != std::string::npos; end = rest.find('\n', begin)) {
      if (!verifier.line(std::string_view(rest).substr(begin, end - begin), true)) return {};
      begin = end + 1;
    }
    rest.erase(0, begin);
    if (rest.size() > kMaxLine) break;
  }
  if (!rest.empty()) verifier.line(rest, false);
  return {};
}

}  // namespace

Result<AuditVerdict> verify_audit(sys::Kernel& kernel, const std::string& path) {
  open_how how{};
  how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;
  const auto log = TRY(kernel.openat2(AT_FDCWD, path, how));
  TRY(kernel.flock(log.get(), LOCK_SH));  // no record half-way between log and head
  Verifier verifier;
  auto mark = fs::read_file(kernel, path + ".head", 256);
  if (mark) {
    verifier.expect(parse_head(*mark));
  } else if (mark.error().sys_errno != ENOENT) {
    return std::unexpected(std::move(mark.error()));
  }
  TRY(read_lines(kernel, log.get(), verifier));
  verifier.finish();
  return verifier.verdict();
}

}  // namespace casemate::evidence
