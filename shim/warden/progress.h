// How far an end has come, by the journal. Whoever goes on for one that was killed adds to what
// that one had overwritten, and writes no second receipt. Each is a line of the journal:
//   {"intent":"wipe"}                                           before anything is overwritten
//   {"intent":"wiped","detail":{"mount":n,"what":…,"bytes":…,"files":…,"seconds":…}}   after each
//   {"intent":"receipt","detail":{"name":…}}                    before it is written
//   {"intent":"container.end","detail":{"seq":…,"hash":…}}      the audit record, once it is
//   written
#pragma once

#include <cstddef>
#include <map>
#include <string>

#include "shim/base/json.h"
#include "shim/fs/wipe.h"
#include "shim/warden/journal.h"

namespace casemate::warden {

struct EndProgress {
  bool begun = false;                      // somebody began to overwrite
  std::map<std::size_t, fs::Wiped> wiped;  // by the mount's place in Holdings: overwritten whole
  std::string receipt;                     // its file's name; empty: none was chosen
  Json audit;                              // {seq, hash} of container.end; null: not written
};
Result<EndProgress> end_progress(sys::Kernel& kernel, int dir);

// Writes those lines. A journal that cannot be written ends nothing: every call says so.
class EndLog {
 public:
  EndLog(sys::Kernel& kernel, int dir) : journal_(Journal::open(kernel, dir)) {}
  Status begun() { return intent("wipe", Json::object()); }
  Status wiped(std::size_t mount, const std::string& what, const fs::Wiped& wiped);
  Status receipt(const std::string& name) { return intent("receipt", {{"name", name}}); }
  Status recorded(const Json& head) { return intent("container.end", head); }

 private:
  Status intent(std::string_view what, const Json& detail);
  Result<Journal> journal_;
};

fs::Wiped& operator+=(fs::Wiped& sum, const fs::Wiped& more);

}  // namespace casemate::warden
