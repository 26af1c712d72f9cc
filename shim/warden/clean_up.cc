#include "shim/warden/clean_up.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>

#include "shim/base/clock.h"
#include "shim/cgroup/cgroup.h"
#include "shim/evidence/audit.h"
#include "shim/evidence/receipt.h"
#include "shim/fs/wipe.h"
#include "shim/warden/init_end.h"
#include "shim/warden/journal.h"
#include "shim/warden/progress.h"

namespace casemate::warden {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kKillDeadline{10'000};
constexpr milliseconds kInitDeadline{5'000};
constexpr milliseconds kReapPatience{250};

// Remembers the first failure and goes on.
class Problems {
 public:
  bool note(const Status& status) {
    if (!status && text_.empty()) text_ = status.error().message();
    return status.has_value();
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

Status await_end(int pidfd, milliseconds deadline) {
  pollfd end{.fd = pidfd, .events = POLLIN, .revents = 0};
  int ready = 0;
  do {
    ready = ::poll(&end, 1, static_cast<int>(deadline.count()));
  } while (ready < 0 && errno == EINTR);
  if (ready > 0) return {};
  return internal("warden.kill", "init does not end after SIGKILL");
}

// Those that are held, as they are now; one that cannot be told from its description is missing.
std::vector<cgroup::Cgroup> open_groups(sys::Kernel& kernel, const Holdings& holdings,
                                        Problems& problems) {
  std::vector<cgroup::Cgroup> groups;
  for (const auto& held : holdings.cgroups) {
    auto group = cgroup::Cgroup::from_json(kernel, held);
    if (group)
      groups.push_back(std::move(*group));
    else
      problems.note(std::unexpected(std::move(group.error())));
  }
  return groups;
}

// Init first by its pidfd; the cgroups then end what it left and thaw it, should it be frozen.
void end_job(sys::Kernel& kernel, Holdings& holdings, std::vector<cgroup::Cgroup>& groups,
             Problems& problems) {
  if (holdings.init_alive()) {
    const auto sent = kernel.pidfd_send_signal(holdings.init.get(), SIGKILL);
    if (!sent && sent.error().sys_errno != ESRCH) problems.note(sent);
  }
  for (auto& group : groups) problems.note(group.kill_all(kKillDeadline));
  holdings.start_socket.reset();  // an init that still waits for "g" sees its end
  if (holdings.init) problems.note(await_end(holdings.init.get(), kInitDeadline));
}

struct WipeSum {
  fs::Wiped total{};
  bool complete = true;
  bool interrupted = false;  // what one who was killed had overwritten may not be counted
};

WipeSum sum_of(const EndProgress& before, const EndProgress& now, const Holdings& holdings) {
  WipeSum sum;
  for (const auto& [mount, wiped] : now.wiped) sum.total += wiped;
  for (std::size_t i = 0; i < holdings.lost_mounts.size(); ++i)
    sum.complete = sum.complete && now.wiped.contains(i);
  for (std::size_t i = 0; i < holdings.mounts.size(); ++i) {
    sum.complete = sum.complete && now.wiped.contains(i);
    sum.interrupted = sum.interrupted || (before.begun && !before.wiped.contains(i));
  }
  return sum;
}

// `ended`: no process of the job is left. Over a writer that still lives nothing is known to be
// gone, so nothing is journalled either.
WipeSum wipe_all(sys::Kernel& kernel, Holdings& holdings, bool ended, Problems& problems) {
  const EndProgress before =
      end_progress(kernel, holdings.dir().fd()).value_or(EndProgress{});  // broken: begin anew
  EndProgress now = before;
  EndLog log(kernel, holdings.dir().fd());
  if (!holdings.mounts.empty()) problems.note(log.begun());
  for (std::size_t i = 0; i < holdings.mounts.size(); ++i) {
    HeldMount& held = holdings.mounts[i];
    const auto wiped = fs::wipe_tree(kernel, held.mount.get());
    held.mount.reset();
    if (!wiped) {
      problems.note(std::unexpected(Error(wiped.error()).with_context("wipe " + held.what)));
      now.wiped.erase(i);
      continue;
    }
    now.wiped[i] += *wiped;
    if (ended) problems.note(log.wiped(i, held.what, *wiped));
  }
  WipeSum sum = sum_of(before, now, holdings);
  sum.complete = sum.complete && ended;
  return sum;
}

void remove_cgroups(sys::Kernel& kernel, const Holdings& holdings,
                    std::vector<cgroup::Cgroup>& groups, Problems& problems) {
  for (auto& group : groups) problems.note(group.remove());
  if (holdings.intended_cgroups.empty()) return;
  const auto hierarchies = cgroup::read_hierarchies(kernel);
  if (!hierarchies) return;
  // No process was ever put there, so a leaf with processes is somebody else's: remove() leaves it.
  for (const auto& path : holdings.intended_cgroups)
    if (auto group = cgroup::Cgroup::find(kernel, *hierarchies, path)) (void)group->remove();
}

Json wiped_json(const WipeSum& sum) {
  if (!sum.complete) return nullptr;
  Json wiped = {
      {"bytes", sum.total.bytes}, {"files", sum.total.files}, {"seconds", sum.total.seconds}};
  if (sum.interrupted) wiped["interrupted"] = true;
  return wiped;
}

void complete_facts(sys::Kernel& kernel, Holdings& holdings, Survivors survivors,
                    const WipeSum& sum, const EndRecord& record) {
  Json& facts = holdings.facts;
  facts["exitCode"] = record.exit_code ? Json(*record.exit_code) : Json();
  facts["wiped"] = wiped_json(sum);
  facts["warden"] = survivors.warden ? "ok" : "lost";
  facts["twin"] = survivors.twin ? "ok" : "lost";
  facts["host"] = evidence::host_facts(kernel);
  if (!facts.contains("times") || !facts["times"].is_object()) facts["times"] = Json::object();
  facts["times"]["wiped"] = now_rfc3339();
  if (!record.problem.empty()) facts["problem"] = record.problem;
}

// {seq, hash} of the record "container.end", which names the receipt that is to come.
Result<Json> write_end_record(evidence::AuditLog& audit, Holdings& holdings,
                              const std::string& receipt) {
  Json summary = {{"receipt", receipt}};
  for (const char* key :
       {"root", "tenant", "plan", "times", "exitCode", "wiped", "warden", "twin", "problem"})
    if (holdings.facts.contains(key)) summary[key] = holdings.facts[key];
  const auto head = TRY(audit.append("container.end", holdings.dir().id(), summary));
  return Json{{"seq", head.seq}, {"hash", head.hash}};
}

// Audit record, receipt, audit record of the receipt: what is left to do of it. Returns the
// receipt's path.
Result<std::string> write_evidence(sys::Kernel& kernel, Holdings& holdings, Problems& problems) {
  const std::string& id = holdings.dir().id();
  EndProgress done = end_progress(kernel, holdings.dir().fd()).value_or(EndProgress{});
  EndLog log(kernel, holdings.dir().fd());
  if (done.receipt.empty()) {
    done.receipt = evidence::receipt_name(holdings.facts);
    problems.note(log.receipt(done.receipt));
  }
  std::string path = holdings.evidence.receipts + "/" + done.receipt;
  auto audit = TRY(evidence::AuditLog::open(kernel, holdings.evidence.audit));
  if (done.audit.is_null()) {
    done.audit = TRY(write_end_record(audit, holdings, path));
    problems.note(log.recorded(done.audit));
  }
  holdings.facts["audit"] = done.audit;
  const auto key = TRY(evidence::ReceiptKey::load_or_create(kernel, holdings.evidence.keys));
  if (!kernel.fstatat(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW))
    TRY(evidence::write_receipt(kernel, key, holdings.evidence.receipts, done.receipt,
                                holdings.facts));
  TRY(audit.append("receipt.written", id, {{"receipt", path}, {"key", key.id()}}));
  return path;
}

EndRecord record_of(const Holdings& holdings, const WipeSum& sum, const Problems& problems) {
  EndRecord record;
  if (holdings.init) record.exit_code = exit_code_of(holdings.init.get(), kReapPatience);
  record.wiped_bytes = sum.total.bytes;
  record.wiped_files = sum.total.files;
  record.wipe_seconds = sum.total.seconds;
  record.problem = problems.text();
  return record;
}

// The part of finish() that a survivor does only when the lost one had not come to "result".
Status record_end(sys::Kernel& kernel, Holdings& holdings, Survivors survivors, const WipeSum& sum,
                  Problems& problems) {
  EndRecord record = record_of(holdings, sum, problems);
  complete_facts(kernel, holdings, survivors, sum, record);
  auto receipt = write_evidence(kernel, holdings, problems);
  if (receipt)
    record.receipt = std::move(*receipt);
  else if (record.problem.empty())
    record.problem = receipt.error().message();
  return holdings.dir().save_result(record);
}

// What the journal says must not decide whether the job is ended and wiped.
Status enter_stopped(sys::Kernel& kernel, int dir) {
  auto journal = TRY(Journal::open(kernel, dir));
  if (reached(TRY(journal_state(kernel, dir)), State::stopped)) return {};
  return journal.enter(State::stopped);
}

// What has no end yet delete finds in the directory: a unit, for wardens cannot speak to systemd.
Status leave(sys::Kernel& kernel, Holdings& holdings) {
  const auto unit = holdings.dir().load_unit();
  if (unit && !*unit) return holdings.dir().remove();
  TRY(enter_stopped(kernel, holdings.dir().fd()));
  return TRY(Journal::open(kernel, holdings.dir().fd())).enter(State::wiped);
}

}  // namespace

Status finish(sys::Kernel& kernel, Holdings& holdings, Survivors survivors) {
  Problems problems;
  problems.note(set_aside_if_broken(kernel, holdings.dir().fd()));
  problems.note(enter_stopped(kernel, holdings.dir().fd()));
  if (!holdings.facts.contains("times") || !holdings.facts["times"].is_object())
    holdings.facts["times"] = Json::object();
  holdings.facts["times"]["ended"] = now_rfc3339();
  Problems ending;
  auto groups = open_groups(kernel, holdings, ending);
  end_job(kernel, holdings, groups, ending);
  const WipeSum sum = wipe_all(kernel, holdings, ending.text().empty(), problems);
  if (!ending.text().empty()) problems.note(internal("warden.end-job", ending.text()));
  remove_cgroups(kernel, holdings, groups, problems);
  const auto before = holdings.dir().load_result();
  if (!before || !*before) problems.note(record_end(kernel, holdings, survivors, sum, problems));
  Json detail = {{"bytes", sum.total.bytes}};
  if (!problems.text().empty()) detail["problem"] = problems.text();
  auto journal = TRY(Journal::open(kernel, holdings.dir().fd()));
  return journal.enter(State::wiped, detail);
}

Status end_paused(sys::Kernel& kernel, const Holdings& holdings) {
  Problems unknown;  // the end of the job will tell of them
  for (auto& group : open_groups(kernel, holdings, unknown)) {
    if (!group.frozen().value_or(false)) continue;
    const Status killed = group.signal_all(SIGKILL);
    TRY(group.thaw());
    TRY(Status(killed));
  }
  return {};
}

Status roll_back(sys::Kernel& kernel, Holdings& holdings, const std::string& reason) {
  if (!holdings.opened()) return {};
  // Rolled back already, by one who was killed when all was done.
  const auto directory = kernel.fstatat(holdings.dir().fd(), "", AT_EMPTY_PATH);
  if (directory && directory->st_nlink == 0) return {};
  Problems problems;
  auto groups = open_groups(kernel, holdings, problems);
  end_job(kernel, holdings, groups, problems);
  const bool ended = problems.text().empty();
  const WipeSum sum = wipe_all(kernel, holdings, ended, problems);
  remove_cgroups(kernel, holdings, groups, problems);
  Json facts = {{"reason", reason}, {"wiped", wiped_json(sum)}, {"root", holdings.facts["root"]}};
  if (!problems.text().empty()) facts["problem"] = problems.text();
  auto audit = evidence::AuditLog::open(kernel, holdings.evidence.audit);
  if (audit) {
    const auto head = audit->append("create.rollback", holdings.dir().id(), facts);
    if (!head) problems.note(std::unexpected(head.error()));
  } else {
    problems.note(std::unexpected(std::move(audit.error())));
  }
  if (ended) problems.note(leave(kernel, holdings));
  if (problems.text().empty()) return {};
  return internal("warden.rollback", problems.text());
}

}  // namespace casemate::warden
