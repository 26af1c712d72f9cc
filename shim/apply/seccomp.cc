#include <linux/filter.h>

#include "shim/apply/steps.h"
#include "shim/seccomp/filter.h"

namespace casemate::apply {

Status apply(InitContext& context, const plan::LoadSeccomp& step, std::size_t index) {
  const auto found = context.prepared.filters.find(index);
  if (found == context.prepared.filters.end())
    return internal("seccomp.unprepared", "the parent prepared no program");
  return context.kernel.seccomp_load(TRY(seccomp::load_flags(step.filter)), found->second);
}

}  // namespace casemate::apply
