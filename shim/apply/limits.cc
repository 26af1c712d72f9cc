#include "shim/apply/attach.h"
#include "shim/apply/steps.h"
#include "shim/plan/names.h"

namespace casemate::apply {

Status apply(InitContext& context, const plan::SetOomScore& step) {
  return context.proc->write("self/oom_score_adj", std::to_string(step.score));
}

Status apply(InitContext& context, const plan::SetRlimit& step) {
  const int number = TRY(plan::rlimit_number(step.limit.type));
  const rlimit limit{.rlim_cur = step.limit.soft, .rlim_max = step.limit.hard};
  const Status done = context.kernel.setrlimit(number, limit);
  // A core_pattern that is a pipe does not heed the limit: a dump would hold no memory at all.
  if (done && number == RLIMIT_CORE && step.limit.hard == 0)
    return context.proc->write("self/coredump_filter", "0");
  if (done) return {};
  return std::unexpected(Error(done.error())
                             .with_context(step.limit.type + " soft " +
                                           std::to_string(step.limit.soft) + " hard " +
                                           std::to_string(step.limit.hard)));
}

}  // namespace casemate::apply
