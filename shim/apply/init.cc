#include "shim/apply/init.h"

#include "shim/apply/hooks.h"
#include "shim/apply/steps.h"

namespace casemate::apply {
namespace {

// Steps that read-back or prepared descriptors refer to take their index too.
template <class S>
concept TakesIndex = requires(InitContext& context, const S& step, std::size_t index) {
  { apply(context, step, index) } -> std::same_as<Status>;
};
template <class S>
concept TakesStep = requires(InitContext& context, const S& step) {
  { apply(context, step) } -> std::same_as<Status>;
};

Status dispatch(InitContext& context, const plan::Step& step, std::size_t index) {
  return std::visit(
      [&]<class S>(const S& one) -> Status {
        if constexpr (TakesIndex<S>)
          return apply(context, one, index);
        else if constexpr (TakesStep<S>)
          return apply(context, one);
        else if constexpr (std::is_same_v<S, plan::Execute>)
          return Status();  // the caller's last act, see execute()
        else if constexpr (std::is_same_v<S, plan::RunHooks>)
          return one.phase == "createContainer" ? run_create_hooks(context, one, index) : Status();
        else
          return internal("plan.executor", "a step of the parent reached init");
      },
      step);
}

bool confines(const plan::Step& step) {
  return std::holds_alternative<plan::LoadSeccomp>(step) ||
         std::holds_alternative<plan::SetCapabilities>(step);
}

Status apply_steps(InitContext& context, bool confining) {
  const auto& steps = context.plan.steps;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const bool mine = plan::executor_of(steps[i]) == plan::Executor::init;
    if (!mine || confines(steps[i]) != confining) continue;
    if (Status done = dispatch(context, steps[i], i); !done)
      return std::unexpected(std::move(done.error()).with_context(plan::name_of(steps[i])));
  }
  return {};
}

}  // namespace

Status build_container(InitContext& context) {
  if (!context.proc) context.proc = TRY(fs::ProcFs::open(context.kernel));
  return apply_steps(context, /*confining=*/false);
}

Status confine_init(InitContext& context) {
  return apply_steps(context, /*confining=*/true);
}

}  // namespace casemate::apply
