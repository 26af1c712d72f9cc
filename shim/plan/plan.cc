#include "shim/plan/plan.h"

#include <linux/mount.h>

#include <algorithm>

#include "shim/base/encoding.h"
#include "shim/oci/number_list.h"
#include "shim/plan/resources.h"

namespace casemate::plan {
namespace {

// One body() and one kName per step; the visitor below joins them.
template <class S>
struct Traits;

#define CASEMATE_STEP(Type, name, who)                   \
  template <>                                            \
  struct Traits<Type> {                                  \
    static constexpr std::string_view kName = name;      \
    static constexpr Executor kExecutor = Executor::who; \
  };
CASEMATE_STEP(CreateCgroup, "cgroup", parent)
CASEMATE_STEP(Namespaces, "namespaces", parent)
CASEMATE_STEP(IdMaps, "id-maps", parent)
CASEMATE_STEP(TimeOffsets, "time-offsets", parent)
CASEMATE_STEP(RunHooks, "hooks", parent)
CASEMATE_STEP(InitialCpuAffinity, "initial-cpu-affinity", parent)
CASEMATE_STEP(ExecCpuAffinity, "exec-cpu-affinity", later)
CASEMATE_STEP(AttachRoot, "root", init)
CASEMATE_STEP(AttachMount, "mount", init)
CASEMATE_STEP(MakeDevice, "device", init)
CASEMATE_STEP(MakeSymlink, "symlink", init)
CASEMATE_STEP(AttachConsole, "console", init)
CASEMATE_STEP(PivotRoot, "pivot-root", init)
CASEMATE_STEP(SetHostname, "hostname", init)
CASEMATE_STEP(WriteSysctl, "sysctl", init)
CASEMATE_STEP(ReadonlyPath, "readonly-path", init)
CASEMATE_STEP(MaskPath, "mask-path", init)
CASEMATE_STEP(RootReadonly, "root-readonly", init)
CASEMATE_STEP(SetOomScore, "oom-score", init)
CASEMATE_STEP(SetRlimit, "rlimit", init)
CASEMATE_STEP(SetScheduler, "scheduler", init)
CASEMATE_STEP(SetIoPriority, "io-priority", init)
CASEMATE_STEP(SetCpuAffinity, "cpu-affinity", init)
CASEMATE_STEP(SetMemoryPolicy, "memory-policy", init)
CASEMATE_STEP(SetPersonality, "personality", init)
CASEMATE_STEP(SetLabel, "selinux-label", init)
CASEMATE_STEP(NewKeyring, "keyring", init)
CASEMATE_STEP(NoNewPrivileges, "no-new-privileges", init)
CASEMATE_STEP(LoadSeccomp, "seccomp", init)
CASEMATE_STEP(SetCredentials, "credentials", init)
CASEMATE_STEP(SetCapabilities, "capabilities", init)
CASEMATE_STEP(SetWorkingDirectory, "cwd", init)
CASEMATE_STEP(ResolveProgram, "program", init)
CASEMATE_STEP(Execute, "execute", init)
#undef CASEMATE_STEP

Json device_json(const oci::Device& device) {
  Json json = {{"path", device.path},
               {"type", std::string(1, device.type)},
               {"major", device.major},
               {"minor", device.minor}};
  if (device.file_mode) json["mode"] = *device.file_mode;
  if (device.uid) json["uid"] = *device.uid;
  if (device.gid) json["gid"] = *device.gid;
  return json;
}

Json maps_json(const std::vector<oci::IdMapping>& maps) {
  Json json = Json::array();
  for (const oci::IdMapping& map : maps) json.push_back({map.container_id, map.host_id, map.size});
  return json;
}

Json offset_json(const std::optional<oci::TimeOffset>& offset) {
  return offset ? Json{{"secs", offset->secs}, {"nanosecs", offset->nanosecs}} : Json();
}

template <class T>
void put(Json& json, const char* key, const std::optional<T>& value) {
  if (value) json[key] = *value;
}

Json body(const CreateCgroup& s) {
  Json json = {{"path", s.path}, {"resources", to_json(s.resources)}};
  if (s.scope) json["scope"] = {{"slice", s.scope->slice}, {"unit", s.scope->unit}};
  return json;
}
Json body(const Namespaces& s) {
  Json all = Json::array();
  for (const oci::Namespace& one : s.all)
    all.push_back({{"type", oci::to_string(one.type)}, {"path", one.path}});
  return {{"all", std::move(all)}};
}
Json body(const IdMaps& s) {
  return {{"uids", maps_json(s.uids)}, {"gids", maps_json(s.gids)}};
}
Json body(const TimeOffsets& s) {
  return {{"monotonic", offset_json(s.monotonic)}, {"boottime", offset_json(s.boottime)}};
}
Json body(const RunHooks& s) {
  Json hooks = Json::array();
  for (const oci::Hook& hook : s.hooks) {
    Json one = {{"path", hook.path}, {"args", hook.args}, {"env", hook.env}};
    put(one, "timeout", hook.timeout_s);
    hooks.push_back(std::move(one));
  }
  return {{"phase", s.phase}, {"hooks", std::move(hooks)}};
}
Json body(const InitialCpuAffinity& s) {
  return {{"cpus", oci::number_list(s.cpus)}};
}
Json body(const ExecCpuAffinity& s) {
  return {{"initial", oci::number_list(s.affinity.initial)},
          {"final", oci::number_list(s.affinity.final)}};
}
Json labelled(Json mount, const std::string& label) {
  if (!label.empty()) mount["label"] = label;
  return mount;
}
Json body(const AttachRoot& s) {
  return labelled({{"source", s.source},
                   {"upperBytes", s.upper_bytes},
                   {"propagation", s.propagation},
                   {"propagationRecursive", s.propagation_recursive}},
                  s.label);
}
std::string_view kind_name(MountKind kind) {
  switch (kind) {
    case MountKind::filesystem:
      return "filesystem";
    case MountKind::bind:
      return "bind";
    case MountKind::cgroup:
      return "cgroup";
    case MountKind::dataset:
      return "dataset";
    case MountKind::scratch:
      return "scratch";
    case MountKind::notify:
      return "notify";
  }
  return "filesystem";
}
Json attributes_json(const MountAttributes& attributes) {
  return {{"set", attributes.set}, {"clear", attributes.clear}};
}
// What few mounts have is written for these alone.
Json extended(Json mount, const AttachMount& s) {
  if (s.idmap)
    mount["idmap"] = {{"uids", maps_json(s.idmap->uids)},
                      {"gids", maps_json(s.idmap->gids)},
                      {"recursive", s.options.idmap_recursive}};
  if (s.options.copy_up) mount["copyUp"] = true;
  return labelled(std::move(mount), s.label);
}
Json body(const AttachMount& s) {
  const MountOptions& o = s.options;
  return extended({{"kind", kind_name(s.kind)},
                   {"destination", s.destination},
                   {"type", s.type},
                   {"source", s.source},
                   {"attributes", attributes_json(o.attributes)},
                   {"recursiveAttributes", attributes_json(o.recursive_attributes)},
                   {"bindRecursive", o.bind_recursive},
                   {"propagation", o.propagation},
                   {"propagationRecursive", o.propagation_recursive},
                   {"flags", o.flags},
                   {"data", o.data}},
                  s);
}
Json body(const MakeDevice& s) {
  return device_json(s.device);
}
Json body(const MakeSymlink& s) {
  return {{"target", s.target}, {"path", s.path}};
}
Json body(const AttachConsole& s) {
  Json json = Json::object();
  if (s.size) json = {{"height", s.size->height}, {"width", s.size->width}};
  if (!s.bind) json["bind"] = false;
  return json;
}
Json body(const PivotRoot&) {
  return Json::object();
}
Json body(const SetHostname& s) {
  return {{"hostname", s.hostname}, {"domainname", s.domainname}};
}
Json body(const WriteSysctl& s) {
  return {{"key", s.key}, {"value", s.value}};
}
Json body(const ReadonlyPath& s) {
  return {{"path", s.path}};
}
Json body(const MaskPath& s) {
  return {{"path", s.path}};
}
Json body(const RootReadonly&) {
  return Json::object();
}
Json body(const SetOomScore& s) {
  return {{"score", s.score}};
}
Json body(const SetRlimit& s) {
  return {{"type", s.limit.type}, {"soft", s.limit.soft}, {"hard", s.limit.hard}};
}
Json body(const SetScheduler& s) {
  const oci::Scheduler& asked = s.scheduler;
  return {{"policy", asked.policy}, {"nice", asked.nice},       {"priority", asked.priority},
          {"flags", asked.flags},   {"runtime", asked.runtime}, {"deadline", asked.deadline},
          {"period", asked.period}};
}
Json body(const SetIoPriority& s) {
  return {{"class", s.priority.io_class}, {"priority", s.priority.priority}};
}
Json body(const SetCpuAffinity& s) {
  return {{"cpus", oci::number_list(s.cpus)}};
}
Json body(const SetMemoryPolicy& s) {
  return {{"mode", s.policy.mode},
          {"nodes", oci::number_list(s.policy.nodes)},
          {"flags", s.policy.flags}};
}
Json body(const SetPersonality& s) {
  return {{"domain", s.domain}};
}
Json body(const SetLabel& s) {
  return {{"process", s.process_label}};
}
Json body(const NewKeyring& s) {
  return {{"name", s.name}};
}
Json body(const NoNewPrivileges&) {
  return Json::object();
}
Json rule_json(const oci::SeccompRule& rule) {
  Json args = Json::array();
  for (const oci::SeccompArg& arg : rule.args)
    args.push_back(
        {{"index", arg.index}, {"value", arg.value}, {"valueTwo", arg.value_two}, {"op", arg.op}});
  Json json = {{"names", rule.names}, {"action", rule.action}, {"args", std::move(args)}};
  put(json, "errnoRet", rule.errno_ret);
  return json;
}
Json body(const LoadSeccomp& s) {
  Json rules = Json::array();
  for (const oci::SeccompRule& rule : s.filter.syscalls) rules.push_back(rule_json(rule));
  Json json = {{"from", s.from == FilterSource::profile ? "profile" : "container"},
               {"defaultAction", s.filter.default_action},
               {"architectures", s.filter.architectures},
               {"flags", s.filter.flags},
               {"syscalls", std::move(rules)}};
  put(json, "defaultErrnoRet", s.filter.default_errno_ret);
  return json;
}
Json body(const SetCredentials& s) {
  Json json = {
      {"uid", s.user.uid}, {"gid", s.user.gid}, {"additionalGids", s.user.additional_gids}};
  put(json, "umask", s.user.umask);
  return json;
}
Json body(const SetCapabilities& s) {
  return {{"bounding", s.bounding},
          {"effective", s.effective},
          {"inheritable", s.inheritable},
          {"permitted", s.permitted},
          {"ambient", s.ambient}};
}
Json body(const SetWorkingDirectory& s) {
  Json json = {{"path", s.path}};
  if (!s.make) json["make"] = false;
  return json;
}
Json body(const ResolveProgram& s) {
  return {{"name", s.name}, {"searchPath", s.search_path}};
}
Json body(const Execute& s) {
  return {{"args", s.args}, {"env", s.env}};
}

}  // namespace

bool forbids_dumps(const SetRlimit& step) {
  return step.limit.type == "RLIMIT_CORE" && step.limit.hard == 0;
}

bool Namespaces::makes(oci::NamespaceType type) const {
  return std::any_of(all.begin(), all.end(), [&](const oci::Namespace& one) {
    return one.type == type && one.path.empty();
  });
}

namespace {

Executor hooks_executor(std::string_view phase) {
  if (phase == "prestart" || phase == "createRuntime") return Executor::parent;
  return phase.ends_with("Container") ? Executor::init : Executor::later;
}

}  // namespace

std::string_view name_of(const Step& step) {
  return std::visit([]<class S>(const S&) { return Traits<S>::kName; }, step);
}

Executor executor_of(const Step& step) {
  return std::visit(
      []<class S>(const S& s) {
        if constexpr (std::is_same_v<S, RunHooks>)
          return hooks_executor(s.phase);
        else
          return Traits<S>::kExecutor;
      },
      step);
}

Json to_json(const Step& step) {
  return std::visit(
      []<class S>(const S& s) {
        Json json = body(s);
        json["step"] = Traits<S>::kName;
        return json;
      },
      step);
}

Json Plan::to_json() const {
  Json all = Json::array();
  for (const Step& step : steps) all.push_back(plan::to_json(step));
  return {{"version", 1}, {"steps", std::move(all)}};
}

std::string Plan::digest() const {
  return digest_of(dump(to_json()));
}

std::string digest_of(std::string_view text) {
  return "sha256:" + sha256_hex(text);
}

}  // namespace casemate::plan
