#include "shim/plan/stored.h"

#include <array>

#include "shim/oci/number_list.h"
#include "shim/plan/names.h"

namespace casemate::plan {
namespace {

// The plan was written by us: whatever is wrong with it is no fault of the caller's.
std::unexpected<Error> malformed(const std::string& what) {
  return internal("plan.stored", what, "the container's plan.json was changed; end the container");
}

Result<std::uint32_t> number32(JsonObject& object, std::string_view key) {
  const auto value = TRY(object.get<std::uint64_t>(key));
  if (value > UINT32_MAX) return malformed(std::string(key) + " is out of range");
  return static_cast<std::uint32_t>(value);
}

Result<Step> load_namespaces(JsonObject object) {
  Namespaces step;
  for (JsonObject& one : TRY(object.objects("all"))) {
    const auto type = oci::namespace_type(TRY(one.get<std::string>("type")));
    if (!type) return malformed("a namespace of an unknown type");
    step.all.push_back({*type, TRY(one.get<std::string>("path"))});
  }
  return step;
}

Result<std::vector<oci::IdMapping>> load_maps(const Json* maps) {
  std::vector<oci::IdMapping> out;
  if (maps == nullptr || !maps->is_array()) return malformed("id mappings that are no list");
  for (const Json& one : *maps) {
    const bool triple = one.is_array() && one.size() == 3 && one[0].is_number_unsigned() &&
                        one[1].is_number_unsigned() && one[2].is_number_unsigned();
    if (!triple) return malformed("an id mapping that is no triple");
    out.push_back(
        {one[0].get<std::uint32_t>(), one[1].get<std::uint32_t>(), one[2].get<std::uint32_t>()});
  }
  return out;
}

Result<Step> load_id_maps(JsonObject object) {
  return IdMaps{TRY(load_maps(object.take("uids"))), TRY(load_maps(object.take("gids")))};
}

Result<Step> load_oom_score(JsonObject object) {
  return SetOomScore{static_cast<int>(TRY(object.get<std::int64_t>("score")))};
}

Result<Step> load_rlimit(JsonObject object) {
  oci::Rlimit limit;
  limit.type = TRY(object.get<std::string>("type"));
  limit.hard = TRY(object.get<std::uint64_t>("hard"));
  limit.soft = TRY(object.get<std::uint64_t>("soft"));
  return SetRlimit{std::move(limit)};
}

Result<std::vector<std::uint32_t>> load_list(JsonObject& object, std::string_view key,
                                             std::uint32_t end) {
  return oci::parse_number_list(TRY(object.get<std::string>(key)), end, object.pointer_to(key));
}

Result<Step> load_exec_affinity(JsonObject object) {
  return ExecCpuAffinity{{.initial = TRY(load_list(object, "initial", oci::kMaxCpus)),
                          .final = TRY(load_list(object, "final", oci::kMaxCpus))}};
}

Result<Step> load_scheduler(JsonObject object) {
  oci::Scheduler out;
  out.policy = TRY(object.get<std::string>("policy"));
  out.nice = static_cast<int>(TRY(object.get<std::int64_t>("nice")));
  out.priority = static_cast<int>(TRY(object.get<std::int64_t>("priority")));
  out.flags = TRY(object.get<std::vector<std::string>>("flags"));
  out.runtime = TRY(object.get<std::uint64_t>("runtime"));
  out.deadline = TRY(object.get<std::uint64_t>("deadline"));
  out.period = TRY(object.get<std::uint64_t>("period"));
  return SetScheduler{std::move(out)};
}

Result<Step> load_io_priority(JsonObject object) {
  return SetIoPriority{{.io_class = TRY(object.get<std::string>("class")),
                        .priority = static_cast<int>(TRY(object.get<std::int64_t>("priority")))}};
}

Result<Step> load_memory_policy(JsonObject object) {
  return SetMemoryPolicy{{.mode = TRY(object.get<std::string>("mode")),
                          .nodes = TRY(load_list(object, "nodes", oci::kMaxNodes)),
                          .flags = TRY(object.get<std::vector<std::string>>("flags"))}};
}

Result<Step> load_personality(JsonObject object) {
  return SetPersonality{TRY(object.get<std::string>("domain"))};
}

Result<Step> load_label(JsonObject object) {
  return SetLabel{TRY(object.get<std::string>("process"))};
}

Result<Step> load_no_new_privileges(JsonObject object) {
  object.take("step");  // it says all there is
  TRY(object.done());
  return NoNewPrivileges{};
}

Result<std::optional<std::uint32_t>> find32(JsonObject& object, std::string_view key) {
  if (!object.has(key)) return std::optional<std::uint32_t>();
  return std::optional(TRY(number32(object, key)));
}

Result<oci::SeccompRule> load_rule(JsonObject object) {
  oci::SeccompRule rule;
  rule.names = TRY(object.get<std::vector<std::string>>("names"));
  rule.action = TRY(object.get<std::string>("action"));
  rule.errno_ret = TRY(find32(object, "errnoRet"));
  for (JsonObject& one : TRY(object.objects("args"))) {
    oci::SeccompArg arg;
    arg.index = TRY(number32(one, "index"));
    arg.value = TRY(one.get<std::uint64_t>("value"));
    arg.value_two = TRY(one.get<std::uint64_t>("valueTwo"));
    arg.op = TRY(one.get<std::string>("op"));
    rule.args.push_back(std::move(arg));
  }
  return rule;
}

Result<Step> load_seccomp(JsonObject object) {
  LoadSeccomp step;
  const auto from = TRY(object.get<std::string>("from"));
  step.from = from == "profile" ? FilterSource::profile : FilterSource::container;
  step.filter.default_action = TRY(object.get<std::string>("defaultAction"));
  step.filter.default_errno_ret = TRY(find32(object, "defaultErrnoRet"));
  step.filter.architectures = TRY(object.get<std::vector<std::string>>("architectures"));
  step.filter.flags = TRY(object.get<std::vector<std::string>>("flags"));
  for (const JsonObject& rule : TRY(object.objects("syscalls")))
    step.filter.syscalls.push_back(TRY(load_rule(rule)));
  return step;
}

Result<Step> load_credentials(JsonObject object) {
  SetCredentials step;
  step.user.uid = TRY(number32(object, "uid"));
  step.user.gid = TRY(number32(object, "gid"));
  step.user.umask = TRY(find32(object, "umask"));
  for (const std::int64_t gid : TRY(object.get<std::vector<std::int64_t>>("additionalGids")))
    step.user.additional_gids.push_back(static_cast<std::uint32_t>(gid));
  return step;
}

Result<Step> load_capabilities(JsonObject object) {
  SetCapabilities step;
  step.bounding = TRY(object.get<std::uint64_t>("bounding"));
  step.effective = TRY(object.get<std::uint64_t>("effective"));
  step.inheritable = TRY(object.get<std::uint64_t>("inheritable"));
  step.permitted = TRY(object.get<std::uint64_t>("permitted"));
  step.ambient = TRY(object.get<std::uint64_t>("ambient"));
  return step;
}

Result<Step> load_cwd(JsonObject object) {
  return SetWorkingDirectory{TRY(object.get<std::string>("path")),
                             TRY(object.get_or<bool>("make", true))};
}

Result<Step> load_execute(JsonObject object) {
  return Execute{TRY(object.get<std::vector<std::string>>("args")),
                 TRY(object.get<std::vector<std::string>>("env"))};
}

struct Loader {
  std::string_view name;
  Result<Step> (*load)(JsonObject object);
};
constexpr std::array kLoaders = {
    Loader{"namespaces", load_namespaces},     Loader{"id-maps", load_id_maps},
    Loader{"oom-score", load_oom_score},       Loader{"rlimit", load_rlimit},
    Loader{"selinux-label", load_label},       Loader{"no-new-privileges", load_no_new_privileges},
    Loader{"seccomp", load_seccomp},           Loader{"credentials", load_credentials},
    Loader{"capabilities", load_capabilities}, Loader{"cwd", load_cwd},
    Loader{"execute", load_execute},           Loader{"scheduler", load_scheduler},
    Loader{"io-priority", load_io_priority},   Loader{"memory-policy", load_memory_policy},
    Loader{"personality", load_personality},   Loader{"exec-cpu-affinity", load_exec_affinity},
};

// A step that lost something on the way would bind the new process less than the container.
Status add_step(Plan& plan, const JsonObject& object, const Loader& loader) {
  const std::string name(loader.name);
  auto step = loader.load(object);
  if (!step) return malformed("step " + name + ": " + step.error().what);
  if (to_json(*step) != object.raw())
    return malformed("step " + name + " is not as it was written");
  plan.steps.push_back(std::move(*step));
  return {};
}

}  // namespace

Result<Plan> load_process_steps(const Json& plan) {
  const auto steps = plan.find("steps");
  if (!plan.is_object() || steps == plan.end() || !steps->is_array() ||
      plan.value("version", Json()) != Json(1))
    return malformed("plan.json is no plan of version 1");
  Plan out;
  for (const Json& one : *steps) {
    if (!one.is_object() || !one.contains("step")) return malformed("a step without a name");
    const auto object = TRY(JsonObject::of(one));
    for (const Loader& loader : kLoaders)
      if (one.at("step") == loader.name) TRY(add_step(out, object, loader));
  }
  return out;
}

namespace {

template <class S>
void each(const Plan& plan, const auto& visit) {
  for (const Step& step : plan.steps)
    if (const S* found = std::get_if<S>(&step)) visit(*found);
}

oci::Capabilities names_of(const SetCapabilities& step) {
  return {.bounding = capability_names(step.bounding),
          .effective = capability_names(step.effective),
          .inheritable = capability_names(step.inheritable),
          .permitted = capability_names(step.permitted),
          .ambient = capability_names(step.ambient)};
}

oci::Process process_of(const Plan& stored) {
  oci::Process process;
  if (const auto* step = stored.find<SetCredentials>()) process.user = step->user;
  if (const auto* step = stored.find<Execute>()) {
    process.args = step->args;
    process.env = step->env;
  }
  if (const auto* step = stored.find<SetWorkingDirectory>()) process.cwd = step->path;
  if (const auto* step = stored.find<SetCapabilities>()) process.capabilities = names_of(*step);
  if (const auto* step = stored.find<SetLabel>()) process.selinux_label = step->process_label;
  if (const auto* step = stored.find<SetOomScore>()) process.oom_score_adj = step->score;
  if (const auto* step = stored.find<SetScheduler>()) process.scheduler = step->scheduler;
  if (const auto* step = stored.find<SetIoPriority>()) process.io_priority = step->priority;
  if (const auto* step = stored.find<ExecCpuAffinity>()) process.exec_cpu_affinity = step->affinity;
  process.no_new_privileges = stored.find<NoNewPrivileges>() != nullptr;
  each<SetRlimit>(stored, [&](const SetRlimit& step) { process.rlimits.push_back(step.limit); });
  return process;
}

}  // namespace

oci::Spec spec_of(const Plan& stored) {
  oci::Spec spec;
  spec.process = process_of(stored);
  if (const auto* step = stored.find<Namespaces>()) spec.linux.namespaces = step->all;
  if (const auto* step = stored.find<SetPersonality>()) spec.linux.personality = step->domain;
  if (const auto* step = stored.find<IdMaps>()) {
    spec.linux.uid_mappings = step->uids;
    spec.linux.gid_mappings = step->gids;
  }
  return spec;
}

}  // namespace casemate::plan
