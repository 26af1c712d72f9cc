#include "shim/run/stored_plan.h"

#include "shim/plan/plan.h"
#include "shim/run/container.h"

namespace casemate::run {
namespace {

constexpr const char* kNext = "nextPlan";  // of StateRecord::extra

}  // namespace

Result<std::string> stored_plan(warden::ContainerDir& directory,
                                const warden::StateRecord& record) {
  std::string text = TRY(directory.load_plan());
  const std::string digest = plan::digest_of(text);
  if (digest == record.plan_digest || digest == text_at(record.extra, kNext)) return text;
  return internal("plan.stored", "plan.json is not the plan that was applied",
                  "the container's plan.json was changed; end the container");
}

Result<std::string> stored_plan_unlocked(warden::ContainerDir& directory,
                                         const warden::StateRecord& record) {
  auto text = stored_plan(directory, record);
  if (text || text.error().rule != "plan.stored") return text;
  const UniqueFd lock = TRY(directory.lock());
  return stored_plan(directory, TRY(directory.load_state()));
}

Status replace_plan(warden::ContainerDir& directory, const std::string& before,
                    const std::string& after) {
  warden::StateRecord record = TRY(directory.load_state());
  record.plan_digest = plan::digest_of(before);
  record.extra[kNext] = plan::digest_of(after);
  TRY(directory.save_state(record));
  TRY(directory.save_plan(after));
  record.plan_digest = plan::digest_of(after);
  record.extra.erase(kNext);
  return directory.save_state(record);
}

}  // namespace casemate::run
