#include "shim/warden/journal.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "shim/base/clock.h"
#include "shim/fs/host_file.h"

namespace casemate::warden {
namespace {

constexpr std::size_t kLimit = 4 * 1024 * 1024;
constexpr const char* kFile = "journal";

Result<JournalEntry> parse_entry(std::string_view line) {
  const Json value = TRY(parse_json(line));
  auto object = TRY(JsonObject::of(value));
  JournalEntry entry;
  entry.seq = TRY(object.get<std::uint64_t>("seq"));
  entry.time = TRY(object.get<std::string>("time"));
  const auto state = TRY(object.find<std::string>("state"));
  if (state) {
    entry.state = state_from_string(*state);
    if (!entry.state) return bad_input("journal.state", "unknown state " + *state);
  }
  entry.intent = TRY(object.get_or<std::string>("intent", ""));
  if (entry.state.has_value() != entry.intent.empty())
    return bad_input("journal.entry", "neither a state nor an intent");
  const auto detail = TRY(object.find_object("detail"));
  entry.detail = detail ? detail->raw() : Json::object();
  TRY(object.done());
  return entry;
}

// Without the torn last line.
std::size_t complete_size(std::string_view text) {
  const auto end = text.rfind('\n');
  return end == std::string_view::npos ? 0 : end + 1;
}

State last_state(const std::vector<JournalEntry>& entries) {
  for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry)
    if (entry->state) return *entry->state;
  return State::fresh;
}

// The whole file through a descriptor of its own offset.
Result<std::string> read_whole(int fd) {
  struct stat status{};
  if (::fstat(fd, &status) != 0) return sys_error("stat the journal");
  if (static_cast<std::size_t>(status.st_size) > kLimit)
    return internal("journal.broken", "the journal is larger than 4 MiB");
  std::string text(static_cast<std::size_t>(status.st_size), '\0');
  std::size_t have = 0;
  while (have < text.size()) {
    const ssize_t got =
        ::pread(fd, text.data() + have, text.size() - have, static_cast<off_t>(have));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return sys_error("read the journal");
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
  }
  text.resize(have);
  return text;
}

}  // namespace

Result<std::vector<JournalEntry>> parse_journal(std::string_view text) {
  std::vector<JournalEntry> entries;
  while (!text.empty()) {
    const auto end = text.find('\n');
    if (end == std::string_view::npos) break;  // torn: its writer died
    auto entry = parse_entry(text.substr(0, end));
    if (!entry || entry->seq != entries.size() + 1)
      return internal("journal.broken", "line " + std::to_string(entries.size() + 1) +
                                            " of the journal does not hold" +
                                            (entry ? std::string() : ": " + entry.error().what));
    entries.push_back(std::move(*entry));
    text.remove_prefix(end + 1);
  }
  return entries;
}

Result<std::vector<JournalEntry>> read_journal(sys::Kernel& kernel, int dir) {
  auto text = fs::read_trusted_file_at(kernel, dir, kFile, kLimit);
  if (!text && text.error().sys_errno == ENOENT) return std::vector<JournalEntry>();
  if (!text) return std::unexpected(std::move(text.error()));
  return parse_journal(*text);
}

Result<State> journal_state(sys::Kernel& kernel, int dir) {
  return last_state(TRY(read_journal(kernel, dir)));
}

Status set_aside_if_broken(sys::Kernel& kernel, int dir) {
  const auto entries = read_journal(kernel, dir);
  if (entries) return {};
  TRY(kernel.renameat(dir, kFile, dir, std::string(kFile) + ".broken"));
  return std::unexpected(entries.error());
}

Result<Journal> Journal::open(sys::Kernel& kernel, int dir) {
  open_how how{};
  how.flags = O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW;
  how.mode = 0600;
  return Journal(kernel, TRY(kernel.openat2(dir, kFile, how)));
}

Status Journal::enter(State state, const Json& detail) {
  return append(state, {}, detail);
}
Status Journal::intent(std::string_view what, const Json& detail) {
  return append(std::nullopt, what, detail);
}

Status Journal::append(const std::optional<State>& state, std::string_view intent,
                       const Json& detail) {
  TRY(kernel_->flock(file_.get(), LOCK_EX));
  const auto written = append_locked(state, intent, detail);
  const auto unlocked = kernel_->flock(file_.get(), LOCK_UN);
  return written ? unlocked : written;
}

Status Journal::append_locked(const std::optional<State>& state, std::string_view intent,
                              const Json& detail) {
  const std::string text = TRY(read_whole(file_.get()));
  const auto entries = TRY(parse_journal(text));
  const State last = last_state(entries);
  if (state && *state == last && !entries.empty()) return {};
  if (state && *state != last && !may_follow(last, *state))
    return internal("journal.transition", std::string(to_string(*state)) + " may not follow " +
                                              std::string(to_string(last)));
  const std::size_t whole = complete_size(text);
  if (whole != text.size() && ::ftruncate(file_.get(), static_cast<off_t>(whole)) != 0)
    return sys_error("cut a torn line off the journal");
  Json line = {{"seq", entries.size() + 1}, {"time", now_rfc3339()}};
  if (state) line["state"] = to_string(*state);
  if (!intent.empty()) line["intent"] = intent;
  if (!detail.empty()) line["detail"] = detail;
  const std::string bytes = dump(line) + "\n";
  const auto count = TRY(kernel_->write(file_.get(), bytes));
  if (count != bytes.size()) return internal("journal.write", "a line was written in part");
  return {};
}

}  // namespace casemate::warden
