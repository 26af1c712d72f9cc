#include "shim/run/update.h"

#include <unistd.h>

#include "policy/decide.h"
#include "shim/base/encoding.h"
#include "shim/fs/host_file.h"
#include "shim/plan/resources.h"
#include "shim/run/admission.h"
#include "shim/run/container.h"
#include "shim/run/limit_request.h"
#include "shim/warden/protocol.h"

namespace casemate::run {
namespace {

constexpr std::size_t kMaxResources = 1 << 20;

struct Change {
  Json plan;              // stored, then with the new limits
  Json* stored;           // "resources" in it
  oci::Resources before;  // what an update may change of it
  oci::Resources after;
  policy::Decision decision;
  std::string profile, profile_digest;
};

Result<Json*> stored_resources(Json& plan) {
  if (plan.is_object() && plan.contains("steps") && plan["steps"].is_array())
    for (Json& step : plan["steps"])
      if (text_at(step, "step") == "cgroup" && step.contains("resources"))
        return &step["resources"];
  return internal("plan.resources", "the container's plan.json has no limits",
                  "delete the container");
}

// The profile that bounds the container, as it is today.
Status decide(Runtime& runtime, warden::ContainerDir& directory, const oci::Resources& asked,
              Change& change) {
  const warden::StateRecord record = TRY(directory.load_state());
  change.profile = text_at(record.extra, "profile");
  const LoadedProfile loaded = TRY(load_profile(runtime, change.profile));
  change.profile_digest = loaded.digest;
  change.decision = policy::decide_update(merge_limits(change.before, asked), loaded.profile);
  if (change.decision.denied) return std::unexpected(policy::refusal(change.decision));
  change.after = change.decision.spec.linux.resources;
  return check_fixed(*change.stored, change.after);
}

std::string digest_of(const Json& plan) {
  return "sha256:" + sha256_hex(dump(plan));
}

Json facts_of(const Runtime& runtime, const Change& change, const Json& old_limits,
              const std::string& old_plan) {
  return {{"root", runtime.settings.root},
          {"profile", {{"name", change.profile}, {"digest", change.profile_digest}}},
          {"decision", policy::to_json(change.decision)},
          {"old", old_limits},
          {"new", *change.stored},
          {"oldPlan", old_plan},
          {"plan", digest_of(change.plan)}};
}

Status save(warden::ContainerDir& directory, const Json& plan) {
  warden::StateRecord record = TRY(directory.load_state());
  record.plan_digest = digest_of(plan);
  TRY(directory.save_plan(plan));
  return directory.save_state(record);
}

Status save_and_tell(Runtime& runtime, warden::ContainerDir& directory, const Change& change) {
  TRY(save(directory, change.plan));
  auto warden = TRY(warden::WardenClient::connect(runtime.kernel, directory.fd()));
  return warden.updated({.plan = digest_of(change.plan),
                         .profile = change.profile_digest,
                         .tainted = change.decision.tainted});
}

// The record comes first: a limit that nobody wrote down must not hold, should we be killed.
Status carry_out(Runtime& runtime, warden::ContainerDir& directory, const std::string& id,
                 const oci::Resources& asked, Change& change) {
  const Json old_plan = change.plan;
  const Json old_limits = *change.stored;
  plan::replace_changeable(*change.stored, change.after);
  auto group = TRY(cgroup_of(runtime, directory));
  TRY(audit(runtime, "update", id, facts_of(runtime, change, old_limits, digest_of(old_plan))));
  const auto undo = TRY(group.change(limits_to_write(change.before, asked, change.after)));
  const Status saved = save_and_tell(runtime, directory, change);
  if (saved) return {};
  const Status back = group.undo(undo);
  const Status again = save(directory, old_plan);
  Error error = saved.error();
  error.hint = !back ? back.error().what : again ? "the old limits stand" : again.error().what;
  return std::unexpected(std::move(error));
}

Result<policy::Decision> update_locked(Runtime& runtime, const std::string& id,
                                       const oci::Resources& asked) {
  TRY(check_request(asked));
  Locked container = TRY(lock_living(runtime, id));
  Change change{.plan = TRY(container.directory.load_plan()), .stored = nullptr};
  change.stored = TRY(stored_resources(change.plan));
  change.before = TRY(plan::changeable_resources(*change.stored));
  TRY(decide(runtime, container.directory, asked, change));
  TRY(carry_out(runtime, container.directory, id, asked, change));
  return std::move(change.decision);
}

Result<std::string> read_standard_input() {
  std::string text;
  char piece[16 * 1024];
  while (text.size() <= kMaxResources) {
    const ssize_t got = ::read(STDIN_FILENO, piece, sizeof piece);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return sys_error("read standard input");
    if (got == 0) return text;
    text.append(piece, static_cast<std::size_t>(got));
  }
  return bad_input("update.resources", "more than 1 MiB on standard input");
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
  const std::string text = path == "-" ? TRY(read_standard_input())
                                       : TRY(fs::read_file(runtime.kernel, path, kMaxResources));
  return oci::parse_resources(text);
}

}  // namespace casemate::run
