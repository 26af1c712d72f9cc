#include "shim/plan/compile.h"

#include <linux/mount.h>
#include <sys/mount.h>

#include <array>
#include <utility>

#include "shim/plan/compile_process.h"

namespace casemate::plan {
namespace {

// Relative paths of config.json start at the bundle (runtime-spec, "root" and "mounts").
std::string in_bundle(const std::string& path, const std::string& bundle) {
  return path.starts_with('/') ? path : bundle + "/" + path;
}

bool is_bind(const oci::Mount& mount, const MountOptions& options) {
  return options.bind || mount.type == "bind";
}

// These file systems are labelled by the policy, or were made with the kernel's own namespace: they
// take no context= (runc leaves it out for the same ones).
bool takes_label(const std::string& type) {
  return type != "proc" && type != "sysfs" && type != "mqueue";
}

// Nothing is mounted below a new file system: what holds for the whole tree holds for it.
void fold_recursive(MountOptions& options) {
  MountAttributes& own = options.attributes;
  const MountAttributes all = std::exchange(options.recursive_attributes, {});
  own.set = (own.set & ~all.clear) | all.set;
  own.clear = (own.clear & ~all.set) | all.clear;
}

Status check_copy_up(const oci::Mount& mount, const AttachMount& step, const std::string& pointer) {
  if (!step.options.copy_up || (mount.type == "tmpfs" && !step.options.bind)) return {};
  return bad_input("oci.mount-option", "tmpcopyup for a mount of type " + mount.type,
                   "only a tmpfs can begin with what the image has there", pointer + "/options");
}

Result<std::optional<MountIdmap>> compile_idmap(const oci::Mount& mount, const oci::Linux& linux,
                                                const std::string& pointer) {
  if (!mount.idmapped()) return std::optional<MountIdmap>();
  const bool own = !mount.uid_mappings.empty();
  MountIdmap map{own ? mount.uid_mappings : linux.uid_mappings,
                 own ? mount.gid_mappings : linux.gid_mappings};
  if (!map.uids.empty() && !map.gids.empty()) return std::optional(std::move(map));
  return bad_input("oci.mount-idmap", "an idmapped mount whose mappings are not known",
                   "give uidMappings and gidMappings", pointer);
}

Result<AttachMount> compile_mount(const oci::Spec& spec, const oci::Mount& mount,
                                  const std::string& bundle, const std::string& pointer) {
  AttachMount step;
  step.options = TRY(parse_mount_options(mount.options, pointer));
  step.destination = mount.destination;
  TRY(check_copy_up(mount, step, pointer));
  step.idmap = TRY(compile_idmap(mount, spec.linux, pointer));
  const bool cgroup = mount.type == "cgroup" || mount.type == "cgroup2";
  if (cgroup && (!step.options.data.empty() || !step.options.flags.empty()))
    return bad_input("oci.mount-option", "cgroup mounts take no options of a file system",
                     "remove them", pointer + "/options");
  if (is_bind(mount, step.options)) {
    step.kind = MountKind::bind;
    step.source = in_bundle(mount.source, bundle);
    if (!step.options.data.empty())
      return bad_input(
          "oci.mount-option",
          "bind mounts take no option \"" + printable(step.options.data[0].first) + "\"",
          "remove the option", pointer + "/options");
    return step;
  }
  fold_recursive(step.options);
  if (cgroup) {
    step.kind = MountKind::cgroup;
  } else {
    step.type = mount.type;
    step.source = mount.source;
  }
  return step;
}

// Where the root has an upper layer that is wiped, so is every other place in memory that is
// written to. (That never comes with a user namespace, in which the parent's tmpfs would belong to
// nobody.)
bool is_scratch(const AttachMount& step, const Inputs& inputs) {
  return inputs.upper_bytes > 0 && step.kind == MountKind::filesystem && step.type == "tmpfs";
}

void add_notify(Plan& plan) {
  AttachMount step{.kind = MountKind::notify, .destination = std::string(kNotifyFolder)};
  step.options.attributes.set =
      MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
  plan.steps.emplace_back(std::move(step));
}

void set_variable(std::vector<std::string>& env, const std::string& name,
                  const std::string& value) {
  std::erase_if(env, [&](const std::string& one) { return one.starts_with(name + "="); });
  env.push_back(name + "=" + value);
}

// What the runtime's caller passes on replaces what the configuration says of it: no other socket
// or descriptor is in reach.
std::vector<std::string> environment(const oci::Process& process, const Inputs& inputs) {
  std::vector<std::string> env = process.env;
  if (inputs.notify)
    set_variable(env, "NOTIFY_SOCKET",
                 std::string(kNotifyFolder) + "/" + std::string(kNotifySocket));
  if (inputs.listen_fds == 0) return env;
  set_variable(env, "LISTEN_FDS", std::to_string(inputs.listen_fds));
  set_variable(env, "LISTEN_PID", "1");
  return env;
}

// A mount that is read-only from the side of the job is so from the warden's side, too.
Status check_wipeable(const AttachMount& step, const std::string& pointer) {
  const bool readonly = (step.options.attributes.set & MOUNT_ATTR_RDONLY) != 0;
  if (step.kind != MountKind::scratch || !step.options.copy_up || !readonly) return {};
  return unsupported("mount.copy-up-readonly",
                     "a read-only tmpfs of a job that begins with files could not be wiped",
                     "remove \"ro\" or \"tmpcopyup\"", pointer + "/options");
}

Status add_mounts(Plan& plan, const oci::Spec& spec, const Inputs& inputs) {
  const std::string& label = spec.linux.mount_label;
  for (std::size_t i = 0; i < spec.mounts.size(); ++i) {
    AttachMount step =
        TRY(compile_mount(spec, spec.mounts[i], inputs.bundle, "/mounts/" + std::to_string(i)));
    if (is_scratch(step, inputs)) step.kind = MountKind::scratch;
    TRY(check_wipeable(step, "/mounts/" + std::to_string(i)));
    const bool made_here = step.kind == MountKind::filesystem || step.kind == MountKind::scratch;
    if (made_here && takes_label(step.type)) step.label = label;
    plan.steps.emplace_back(std::move(step));
  }
  for (const DatasetMount& dataset : inputs.datasets)
    plan.steps.emplace_back(AttachMount{.kind = MountKind::dataset,
                                        .destination = dataset.target,
                                        .source = dataset.id,
                                        .label = label});
  if (inputs.notify) add_notify(plan);
  return {};
}

// runtime-spec "Default Devices", and the links of "Dev symbolic links".
void add_default_devices(Plan& plan, const oci::Spec& spec) {
  struct Node {
    const char* path;
    int major, minor;
  };
  constexpr std::array kNodes = {Node{"/dev/null", 1, 3},    Node{"/dev/zero", 1, 5},
                                 Node{"/dev/full", 1, 7},    Node{"/dev/random", 1, 8},
                                 Node{"/dev/urandom", 1, 9}, Node{"/dev/tty", 5, 0}};
  const auto asked = [&](const char* path) {
    for (const oci::Device& device : spec.linux.devices)
      if (device.path == path) return true;
    return false;
  };
  for (const Node& node : kNodes)
    if (!asked(node.path))
      plan.steps.emplace_back(MakeDevice{{.path = node.path,
                                          .type = 'c',
                                          .major = node.major,
                                          .minor = node.minor,
                                          .file_mode = 0666}});
  for (const oci::Device& device : spec.linux.devices) plan.steps.emplace_back(MakeDevice{device});
  constexpr std::array kLinks = {
      std::array{"/proc/self/fd", "/dev/fd"}, std::array{"/proc/self/fd/0", "/dev/stdin"},
      std::array{"/proc/self/fd/1", "/dev/stdout"}, std::array{"/proc/self/fd/2", "/dev/stderr"},
      std::array{"pts/ptmx", "/dev/ptmx"}};
  for (const auto& [target, path] : kLinks) plan.steps.emplace_back(MakeSymlink{target, path});
}

bool binds_dev(const oci::Spec& spec) {
  for (const oci::Mount& mount : spec.mounts) {
    const bool bind = mount.type == "bind";
    if (bind && (mount.destination == "/dev" || mount.destination == "/dev/")) return true;
  }
  return false;
}

}  // namespace

oci::Resources with_default_devices(oci::Resources resources) {
  // The devices that every container has (runtime-spec "Default Devices") stay usable whatever the
  // rules say; creating nodes is harmless while using them is not allowed.
  const auto allow = [&](char type, std::optional<std::int64_t> major,
                         std::optional<std::int64_t> minor, const char* access) {
    resources.devices.push_back({true, type, major, minor, access});
  };
  allow('c', {}, {}, "m");
  allow('b', {}, {}, "m");
  for (const int minor : {3, 5, 7, 8, 9}) allow('c', 1, minor, "rwm");
  allow('c', 5, 0, "rwm");
  allow('c', 5, 2, "rwm");
  allow('c', 136, {}, "rwm");
  return resources;
}

namespace {

void add_parent_steps(Plan& plan, const oci::Spec& spec, const Inputs& inputs) {
  plan.steps.emplace_back(CreateCgroup{spec.linux.cgroups_path,
                                       with_default_devices(spec.linux.resources), inputs.scope});
  plan.steps.emplace_back(Namespaces{spec.linux.namespaces});
  if (!spec.linux.uid_mappings.empty() || !spec.linux.gid_mappings.empty())
    plan.steps.emplace_back(IdMaps{spec.linux.uid_mappings, spec.linux.gid_mappings});
  if (spec.linux.monotonic_offset || spec.linux.boottime_offset)
    plan.steps.emplace_back(TimeOffsets{spec.linux.monotonic_offset, spec.linux.boottime_offset});
  if (!spec.hooks.prestart.empty())
    plan.steps.emplace_back(RunHooks{"prestart", spec.hooks.prestart});
  if (!spec.hooks.create_runtime.empty())
    plan.steps.emplace_back(RunHooks{"createRuntime", spec.hooks.create_runtime});
}

Status add_root_steps(Plan& plan, const oci::Spec& spec, const Inputs& inputs) {
  // Init mounts the overlay, and root of a user namespace may not use layers of the host's root.
  if (inputs.upper_bytes > 0 && !spec.linux.uid_mappings.empty())
    return unsupported("rootfs.user-namespace",
                       "a root with a writable layer of its own is not served in a user namespace",
                       "run the job without a user namespace", "/linux/uidMappings");
  const auto [propagation, recursive] = TRY(parse_propagation(spec.linux.rootfs_propagation));
  plan.steps.emplace_back(
      AttachRoot{.source = in_bundle(spec.root.path, inputs.bundle),
                 .upper_bytes = inputs.upper_bytes,
                 .propagation = propagation,
                 .propagation_recursive = recursive,
                 .label = inputs.upper_bytes > 0 ? spec.linux.mount_label : ""});
  TRY(add_mounts(plan, spec, inputs));
  if (!binds_dev(spec)) add_default_devices(plan, spec);
  if (spec.process && spec.process->terminal)
    plan.steps.emplace_back(AttachConsole{spec.process->console_size});
  if (!spec.hooks.create_container.empty())
    plan.steps.emplace_back(RunHooks{"createContainer", spec.hooks.create_container});
  plan.steps.emplace_back(PivotRoot{});
  if (!spec.hostname.empty() || !spec.domainname.empty())
    plan.steps.emplace_back(SetHostname{spec.hostname, spec.domainname});
  for (const auto& [key, value] : spec.linux.sysctl)
    plan.steps.emplace_back(WriteSysctl{key, value});
  for (const std::string& path : spec.linux.readonly_paths)
    plan.steps.emplace_back(ReadonlyPath{path});
  for (const std::string& path : spec.linux.masked_paths) plan.steps.emplace_back(MaskPath{path});
  if (spec.root.readonly) plan.steps.emplace_back(RootReadonly{});
  return {};
}

// The order is the kernel's: a filter needs no_new_privs or CAP_SYS_ADMIN, so it is loaded while
// the capabilities are still there; dropping the bounding set needs CAP_SETPCAP; labels need /proc.
Status add_process_steps(Plan& plan, const oci::Spec& spec, const Inputs& inputs) {
  const oci::Process& process = *spec.process;
  if (process.exec_cpu_affinity)
    plan.steps.emplace_back(ExecCpuAffinity{*process.exec_cpu_affinity});
  if (spec.linux.memory_policy) plan.steps.emplace_back(SetMemoryPolicy{*spec.linux.memory_policy});
  if (!spec.linux.personality.empty())
    plan.steps.emplace_back(SetPersonality{spec.linux.personality});
  TRY(add_limits(plan, process, inputs.selinux_enabled));
  plan.steps.emplace_back(NewKeyring{"_ses." + inputs.id});
  plan.steps.emplace_back(SetWorkingDirectory{process.cwd});
  plan.steps.emplace_back(SetCredentials{process.user});
  plan.steps.emplace_back(ResolveProgram{process.args[0], search_path(process.env)});
  if (process.no_new_privileges) plan.steps.emplace_back(NoNewPrivileges{});
  if (inputs.profile_filter)
    plan.steps.emplace_back(LoadSeccomp{FilterSource::profile, *inputs.profile_filter});
  if (spec.linux.seccomp)
    plan.steps.emplace_back(LoadSeccomp{FilterSource::container, *spec.linux.seccomp});
  plan.steps.emplace_back(TRY(compile_capabilities(process.capabilities)));
  if (!spec.hooks.start_container.empty())
    plan.steps.emplace_back(RunHooks{"startContainer", spec.hooks.start_container});
  plan.steps.emplace_back(Execute{process.args, environment(process, inputs)});
  return {};
}

// A later command finds the program again, by where its path led when it was judged.
void add_late_hooks(Plan& plan, const char* phase, std::vector<oci::Hook> hooks,
                    const Inputs& inputs) {
  if (hooks.empty()) return;
  for (oci::Hook& hook : hooks) {
    if (hook.args.empty()) hook.args = {hook.path};
    if (const auto real = inputs.resolved.find(hook.path); real != inputs.resolved.end())
      hook.path = real->second;
  }
  plan.steps.emplace_back(RunHooks{phase, std::move(hooks)});
}

}  // namespace

// Mounts are made, and the root is changed, for a mount namespace as a whole: in that of the host
// or of another container they would be theirs, would stay when ours ends, and could be changed by
// them after the read-back. No profile, not even one that only complains, can allow that.
Status check_mount_namespace(const oci::Linux& linux) {
  const oci::Namespace* mount = linux.find(oci::NamespaceType::mount);
  if (mount != nullptr && mount->path.empty()) return {};
  return denied("namespaces.mount",
                mount == nullptr ? "a container in the host's mount namespace"
                                 : "a container in the mount namespace " + mount->path,
                "ask for a new mount namespace; share folders by bind mounts", "/linux/namespaces");
}

Result<Plan> compile(const oci::Spec& spec, const Inputs& inputs) {
  TRY(check_mount_namespace(spec.linux));
  if (!spec.linux.mount_label.empty())
    TRY(need_selinux(inputs.selinux_enabled, spec.linux.mount_label, "/linux/mountLabel"));
  if (!spec.process)
    return bad_input("oci.process", "config.json has no process to run", "add a process",
                     "/process");
  Plan plan;
  add_parent_steps(plan, spec, inputs);
  TRY(add_root_steps(plan, spec, inputs));
  TRY(add_process_steps(plan, spec, inputs));
  add_late_hooks(plan, "poststart", spec.hooks.poststart, inputs);
  add_late_hooks(plan, "poststop", spec.hooks.poststop, inputs);
  return plan;
}

}  // namespace casemate::plan
