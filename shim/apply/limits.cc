#include "shim/apply/attach.h"
#include "shim/apply/steps.h"
#include "shim/plan/names.h"

namespace casemate::apply {

namespace {

// In a user namespace the parent has done it, with rights that init lacks (run/launch.cc).
Status write_unless_set(InitContext& context, const char* file, const std::string& value,
                        std::string_view shown) {
  const bool parent = context.plan.find<plan::IdMaps>() != nullptr;
  if (parent && TRY(context.proc->read(file)) == shown) return {};
  return context.proc->write(file, value);
}

}  // namespace

Status apply(InitContext& context, const plan::SetOomScore& step) {
  const std::string score = std::to_string(step.score);
  return write_unless_set(context, "self/oom_score_adj", score, score + "\n");
}

Status apply(InitContext& context, const plan::SetRlimit& step) {
  const int number = TRY(plan::rlimit_number(step.limit.type));
  const rlimit limit{.rlim_cur = step.limit.soft, .rlim_max = step.limit.hard};
  const Status done = context.kernel.setrlimit(number, limit);
  // A core_pattern that is a pipe does not heed the limit: a dump would hold no memory at all.
  if (done && plan::forbids_dumps(step))
    return write_unless_set(context, "self/coredump_filter", "0", "00000000\n");
  if (done) return {};
  return std::unexpected(Error(done.error())
                             .with_context(step.limit.type + " soft " +
                                           std::to_string(step.limit.soft) + " hard " +
                                           std::to_string(step.limit.hard)));
}

}  // namespace casemate::apply
