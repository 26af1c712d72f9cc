#include "shim/evidence/audit.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "shim/base/clock.h"
#include "shim/base/encoding.h"
#include "shim/evidence/record.h"
#include "shim/fs/host_file.h"

namespace casemate::evidence {
namespace {

constexpr std::size_t kMaxRecord = 32 * 1024;
constexpr std::size_t kTail = 2 * kMaxRecord;

constexpr std::size_t kShortTail = 4096;  // has the last record whole, mostly

Result<off_t> size_of(int fd) {
  struct stat status{};
  if (::fstat(fd, &status) != 0) return sys_error("stat the audit log");
  return status.st_size;
}

Result<std::string> read_tail(int fd, off_t size, std::size_t most) {
  const auto want = static_cast<std::size_t>(std::min<off_t>(size, static_cast<off_t>(most)));
  std::string text(want, '\0');
  const ssize_t got = ::pread(fd, text.data(), want, size - static_cast<off_t>(want));
  if (got < 0) return sys_error("read the audit log");
  text.resize(static_cast<std::size_t>(got));
  return text;
}

// The last complete line of the tail, without its newline; what follows it is torn.
struct LastLine {
  std::string_view line;
  std::string_view torn;
  bool whole = false;  // it begins in this tail
};
LastLine last_line(std::string_view tail) {
  const auto end = tail.rfind('\n');
  if (end == std::string_view::npos) return {{}, tail, false};
  const auto before = end == 0 ? std::string_view::npos : tail.rfind('\n', end - 1);
  const auto begin = before == std::string_view::npos ? 0 : before + 1;
  return {tail.substr(begin, end - begin), tail.substr(end + 1), before != std::string_view::npos};
}

// As much of the log's end as has its last line.
Result<std::string> read_last(int fd, off_t size) {
  auto tail = TRY(read_tail(fd, size, kShortTail));
  if (last_line(tail).whole) return tail;
  return read_tail(fd, size, kTail);
}

std::optional<AuditHead> read_head(int fd) {
  std::string text(kHeadSize, '\0');
  const ssize_t got = ::pread(fd, text.data(), text.size(), 0);
  if (got != static_cast<ssize_t>(text.size())) return std::nullopt;
  return parse_head(text);
}

// A head that is behind is of a writer that was killed between its two writes.
bool contradicts(const AuditHead& mark, const AuditHead& last) {
  return mark.seq > last.seq || (mark.seq == last.seq && mark.hash != last.hash);
}

Json head_json(const AuditHead& head) {
  return {{"seq", head.seq}, {"hash", head.hash}};
}

Result<std::string> boot_id(sys::Kernel& kernel) {
  auto text = TRY(fs::read_file(kernel, "/proc/sys/kernel/random/boot_id", 64));
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

}  // namespace

Result<AuditLog> AuditLog::open(sys::Kernel& kernel, const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos || slash == 0 || slash + 1 == path.size())
    return bad_input("audit.path", "the audit log needs an absolute path below a folder");
  const auto dir = TRY(fs::make_directories(kernel, path.substr(0, slash), 0700));
  const std::string name = path.substr(slash + 1);
  open_how how{};
  how.flags = O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW;
  how.mode = 0600;
  auto log = TRY(kernel.openat2(dir.get(), name, how));
  how.flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW;
  auto head = TRY(kernel.openat2(dir.get(), name + ".head", how));
  return AuditLog(kernel, std::move(log), std::move(head));
}

Result<AuditHead> AuditLog::append(std::string_view event, std::string_view container,
                                   const Json& facts) {
  TRY(kernel_->flock(log_.get(), LOCK_EX));
  auto head = append_locked(event, container, facts);
  const auto unlocked = kernel_->flock(log_.get(), LOCK_UN);
  if (head && !unlocked) return std::unexpected(unlocked.error());
  return head;
}

Result<AuditHead> AuditLog::append_locked(std::string_view event, std::string_view container,
                                          const Json& facts) {
  const off_t size = TRY(size_of(log_.get()));
  const std::string tail = TRY(read_last(log_.get(), size));
  const LastLine last = last_line(tail);
  AuditHead head;
  if (!last.line.empty()) {
    const auto record = parse_record(last.line);
    if (!record)
      return internal("audit.broken", "the last audit record does not hold: " + record.error().what,
                      "run casectl audit verify; move the log aside to begin a new one");
    head = record->head;
  } else if (tail.size() == kTail) {
    return internal("audit.broken", "the audit log ends in an overlong line",
                    "run casectl audit verify; move the log aside to begin a new one");
  }
  if (!last.torn.empty() &&
      ::ftruncate(log_.get(), size - static_cast<off_t>(last.torn.size())) != 0)
    return sys_error("cut a torn line off the audit log");
  // Told before the head is written anew: nobody could see it afterwards.
  if (const auto mark = read_head(head_.get()); mark && contradicts(*mark, head)) {
    const Json both = {{"log", head_json(head)}, {"head", head_json(*mark)}};
    head = TRY(write_record(head, kTruncated, "", both));
  }
  if (!last.torn.empty())
    head = TRY(write_record(head, "audit.repaired", "", {{"bytesCutOff", last.torn.size()}}));
  return write_record(head, event, container, facts);
}

Result<AuditHead> AuditLog::write_record(const AuditHead& last, std::string_view event,
                                         std::string_view container, const Json& facts) {
  AuditHead head{.seq = last.seq + 1, .hash = {}};
  const Json body = {{"version", 1},          {"seq", head.seq},
                     {"time", now_rfc3339()}, {"boot_id", TRY(boot_id(*kernel_))},
                     {"event", event},        {"container", container},
                     {"facts", facts},        {"prev", last.hash}};
  const std::string line = render_record(body, head.hash) + "\n";
  if (line.size() > kMaxRecord)
    return bad_input("audit.size", "an audit record above 32 KiB", "name fewer facts");
  const auto count = TRY(kernel_->write(log_.get(), line));
  if (count != line.size()) return internal("audit.write", "an audit record was written in part");
  const std::string mark = render_head(head);
  if (::pwrite(head_.get(), mark.data(), mark.size(), 0) != static_cast<ssize_t>(mark.size()))
    return sys_error("write the audit log's head");
  return head;
}

}  // namespace casemate::evidence
