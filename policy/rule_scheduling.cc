// Rules about when a process runs, as what, and whom it may tell that it is ready.
#include "policy/match.h"
#include "policy/rules.h"

namespace casemate::policy {
namespace {

void bound_scheduler(Judgement& j) {
  auto& scheduler = j.spec.process->scheduler;
  if (!scheduler) return;
  const std::string pointer = j.process_pointer + "/scheduler";
  const auto& rules = j.profile.resources;
  if (scheduler->realtime() && !rules.unsafe_realtime)
    j.deny("scheduler.realtime", pointer + "/policy", scheduler->policy,
           "SCHED_OTHER, SCHED_BATCH and SCHED_IDLE", "ask for one of these");
  if (scheduler->nice >= rules.nice_min) return;
  j.tighten("scheduler.nice", pointer + "/nice", std::to_string(scheduler->nice),
            std::to_string(rules.nice_min) + " and above", "");
  scheduler->nice = rules.nice_min;
}

}  // namespace

void judge_scheduling(Judgement& j) {
  bound_scheduler(j);
  const auto& io = j.spec.process->io_priority;
  if (io && io->io_class == "IOPRIO_CLASS_RT" && !j.profile.resources.unsafe_realtime)
    j.deny("io-priority.realtime", j.process_pointer + "/ioPriority/class", io->io_class,
           "IOPRIO_CLASS_BE and IOPRIO_CLASS_IDLE", "ask for one of these");
}

// A domain changes what uname(2) says, not which system calls there are: the profile's own filter
// ends a process that uses another ABI (seccomp_bound.h).
void judge_personality(Judgement& j) {
  const auto& asked = j.spec.linux.personality;
  if (!asked.empty() && asked != "LINUX" && !contains(j.profile.process.personalities, asked))
    j.deny("process.personality", "/linux/personality", asked,
           joined(j.profile.process.personalities), "leave the personality out");
  judge_inherited_personality(j);
}

// What a caller's personality adds, such as addresses that can be foretold or data that can be
// executed, no process of a container inherits.
void judge_inherited_personality(Judgement& j) {
  auto& personality = j.spec.linux.personality;
  if (!personality.empty() || j.host.personality == 0) return;
  personality = "LINUX";
  j.tighten("process.personality", "", "the personality of the runtime's caller", personality, "");
}

// Ignored, not refused: the socket is the engine's own as often as it is meant for the container.
void judge_notify(Judgement& j) {
  if (!j.context.notify) return;
  if (j.profile.process.notify) {
    j.decision.notify = true;
    return;
  }
  j.tighten("process.notify", "", "NOTIFY_SOCKET in the runtime's environment", "nothing",
            "the container cannot tell that it is ready");
}

}  // namespace casemate::policy
