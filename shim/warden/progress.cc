#include "shim/warden/progress.h"

namespace casemate::warden {
namespace {

Status read_wiped(const Json& detail, EndProgress& progress) {
  auto object = TRY(JsonObject::of(detail));
  const auto mount = TRY(object.get<std::uint64_t>("mount"));
  progress.wiped[mount] += {.files = TRY(object.get<std::uint64_t>("files")),
                            .bytes = TRY(object.get<std::uint64_t>("bytes")),
                            .seconds = TRY(object.get<double>("seconds"))};
  return {};
}

}  // namespace

fs::Wiped& operator+=(fs::Wiped& sum, const fs::Wiped& more) {
  sum.files += more.files;
  sum.bytes += more.bytes;
  sum.seconds += more.seconds;
  return sum;
}

Result<EndProgress> end_progress(sys::Kernel& kernel, int dir) {
  EndProgress progress;
  for (const auto& entry : TRY(read_journal(kernel, dir))) {
    if (entry.intent == "wipe") progress.begun = true;
    if (entry.intent == "wiped") TRY(read_wiped(entry.detail, progress));
    if (entry.intent == "container.end") progress.audit = entry.detail;
    if (entry.intent != "receipt") continue;
    auto object = TRY(JsonObject::of(entry.detail));
    progress.receipt = TRY(object.get<std::string>("name"));
  }
  return progress;
}

Status EndLog::wiped(std::size_t mount, const std::string& what, const fs::Wiped& wiped) {
  return intent("wiped", {{"mount", mount},
                          {"what", what},
                          {"bytes", wiped.bytes},
                          {"files", wiped.files},
                          {"seconds", wiped.seconds}});
}

Status EndLog::intent(std::string_view what, const Json& detail) {
  if (!journal_) return std::unexpected(journal_.error());
  return journal_->intent(what, detail);
}

}  // namespace casemate::warden
