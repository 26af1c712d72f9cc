#include "shim/run/update.h"

#include <unistd.h>

#include <algorithm>

#include "policy/decide.h"
#include "shim/fs/host_file.h"
#include "shim/plan/resources.h"
#include "shim/run/admission.h"
#include "shim/run/audit_facts.h"
#include "shim/run/container.h"
#include "shim/run/host_facts.h"
#include "shim/run/limit_request.h"
#include "shim/run/stored_plan.h"
#include "shim/run/unit.h"
#include "shim/warden/protocol.h"

namespace casemate::run {
namespace {

constexpr std::size_t kMaxResources = 1 << 20;

struct Change {
  std::string old_text, new_text;  // of the stored plan
  Json plan;                       // stored, then with the new limits
  Json* stored = nullptr;          // "resources" in it
  oci::Resources before;           // what an update may change of it
  oci::Resources after;
  policy::Decision decision;
  std::string profile, profile_digest;
  std::optional<systemd::Unit> unit;
};

Result<Json*> stored_resources(Json& plan) {
  if (plan.is_object() && plan.contains("steps") && plan["steps"].is_array())
    for (Json& step : plan["steps"])
      if (text_at(step, "step") == "cgroup" && step.contains("resources"))
        return &step["resources"];
  return internal("plan.resources", "the container's plan.json has no limits",
                  "delete the container");
}

bool holds_dataset(const Json& plan) {
  return std::ranges::any_of(plan["steps"], [](const Json& step) {
    return text_at(step, "step") == "mount" && text_at(step, "kind") == "dataset";
  });
}

// The profile that bounds the container, as it is today.
Status decide(Runtime& runtime, const warden::StateRecord& record, const oci::Resources& asked,
              Change& change) {
  change.profile = text_at(record.extra, "profile");
  const LoadedProfile loaded = TRY(load_profile(runtime, change.profile));
  change.profile_digest = loaded.digest;
  const auto host =
      TRY(read_host_facts(runtime.kernel, TRY(cgroup::read_hierarchies(runtime.kernel))));
  policy::JobContext context;
  context.holds_data = holds_dataset(change.plan);
  change.decision =
      policy::decide_update(merge_limits(change.before, asked), loaded.profile, host, context);
  if (change.decision.denied) return std::unexpected(policy::refusal(change.decision));
  change.after = change.decision.spec.linux.resources;
  return check_fixed(*change.stored, change.after);
}

Json facts_of(const Runtime& runtime, const Change& change, const Json& old_limits) {
  return {{"root", runtime.settings.root},
          {"profile", {{"name", change.profile}, {"digest", change.profile_digest}}},
          {"decision", decision_facts(change.decision)},
          {"old", old_limits},
          {"new", *change.stored},
          {"oldPlan", plan::digest_of(change.old_text)},
          {"plan", plan::digest_of(change.new_text)}};
}

Status save_and_tell(Runtime& runtime, warden::ContainerDir& directory, const Change& change) {
  TRY(replace_plan(directory, change.old_text, change.new_text));
  auto warden = TRY(warden::WardenClient::connect(runtime.kernel, directory.fd()));
  return warden.updated({.plan = plan::digest_of(change.new_text),
                         .profile = change.profile_digest,
                         .tainted = change.decision.tainted});
}

// The record comes first: a limit that nobody wrote down must not hold, should we be killed.
Status carry_out(Runtime& runtime, warden::ContainerDir& directory, const std::string& id,
                 const oci::Resources& asked, Change& change) {
  const Json old_limits = *change.stored;
  plan::replace_changeable(*change.stored, change.after);
  change.new_text = dump(change.plan);
  auto group = TRY(cgroup_of(runtime, directory));
  TRY(audit(runtime, "update", id, facts_of(runtime, change, old_limits)));
  const oci::Resources written = limits_to_write(change.before, asked, change.after);
  const oci::Resources now = TRY(plan::changeable_resources(*change.stored));
  const LimitChange limits{.before = change.before, .written = written, .now = now};
  const auto undo = TRY(group.change(written));
  Status saved = change.unit ? tell_unit(runtime, *change.unit, group, limits) : Status();
  const bool told = saved && change.unit;
  if (saved) saved = save_and_tell(runtime, directory, change);
  if (saved) return {};
  if (told) static_cast<void>(untell_unit(runtime, *change.unit, limits));
  const Status back = group.undo(undo);
  const Status again = replace_plan(directory, change.new_text, change.old_text);
  Error error = saved.error();
  error.hint = !back ? back.error().what : again ? "the old limits stand" : again.error().what;
  return std::unexpected(std::move(error));
}

Result<policy::Decision> update_locked(Runtime& runtime, const std::string& id,
                                       const oci::Resources& asked) {
  TRY(check_request(asked));
  Locked container = TRY(lock_living(runtime, id));
  Change change;
  const warden::StateRecord record = TRY(container.directory.load_state());
  change.old_text = TRY(stored_plan(container.directory, record));
  change.plan = TRY(parse_json(change.old_text));
  change.stored = TRY(stored_resources(change.plan));
  change.before = TRY(plan::changeable_resources(*change.stored));
  TRY(decide(runtime, record, asked, change));
  change.unit = TRY(unit_of(container.directory));
  TRY(carry_out(runtime, container.directory, id, asked, change));
  return std::move(change.decision);
}

}  // namespace

Result<policy::Decision> update(Runtime& runtime, const std::string& id,
                                const oci::Resources& asked) {
  auto done = update_locked(runtime, id, asked);
  if (done || done.error().rule == "container.unknown" || done.error().rule == "container.id")
    return done;
  TRY(audit(runtime, "update.fail", id, error_facts(done.error())));
  return done;
}

Result<oci::Resources> read_resources(Runtime& runtime, const std::string& path) {
  const auto text =
      path == "-" ? fs::read_to_end(runtime.kernel, STDIN_FILENO, "standard input", kMaxResources)
                  : fs::read_file(runtime.kernel, path, kMaxResources);
  return oci::parse_resources(TRY(text));
}

}  // namespace casemate::run
