// The intent journal of one container: file "journal" in its directory, one JSON object a line:
//   {"seq":3,"time":"2026-01-02T03:04:05Z","state":"STAGED","detail":{…}}
//   {"seq":4,"time":"…","intent":"cgroup","detail":{…}}
// Each line is one write(2) under flock(2), so the CLI, the warden and the twin can all append. A
// writer that dies half-way leaves a torn last line: readers ignore it and the next writer removes
// it. A torn or malformed line anywhere else is an error (internal "journal.broken").
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shim/base/json.h"
#include "shim/base/result.h"
#include "shim/base/unique_fd.h"
#include "shim/sys/kernel.h"
#include "shim/warden/machine.h"

namespace casemate::warden {

struct JournalEntry {
  std::uint64_t seq = 0;       // from 1, without gaps
  std::string time;            // RFC 3339, UTC
  std::optional<State> state;  // either a state that was entered …
  std::string intent;          // … or a side effect that is about to happen
  Json detail;                 // an object; may be empty
};

// The text of a journal. Pure.
Result<std::vector<JournalEntry>> parse_journal(std::string_view text);
// No journal yet: no entries.
Result<std::vector<JournalEntry>> read_journal(sys::Kernel& kernel, int dir);
// State::fresh when nothing was entered yet.
Result<State> journal_state(sys::Kernel& kernel, int dir);

// A journal that cannot be read is kept as "journal.broken", so that a new one can say how the
// container ended; the error is the one of reading it. For the clean-up alone.
Status set_aside_if_broken(sys::Kernel& kernel, int dir);

class Journal {
 public:
  // Opens or creates the file (0600) in the container's directory.
  static Result<Journal> open(sys::Kernel& kernel, int dir);

  // Refuses (internal "journal.transition") what may_follow() forbids after the last state on file.
  // To enter the current state again does nothing.
  Status enter(State state, const Json& detail = Json::object());
  Status intent(std::string_view what, const Json& detail = Json::object());

 private:
  Journal(sys::Kernel& kernel, UniqueFd file) : kernel_(&kernel), file_(std::move(file)) {}
  Status append(const std::optional<State>& state, std::string_view intent, const Json& detail);
  Status append_locked(const std::optional<State>& state, std::string_view intent,
                       const Json& detail);

  sys::Kernel* kernel_;
  UniqueFd file_;
};

}  // namespace casemate::warden
