#include "shim/plan/compile.h"

#include <linux/capability.h>
#include <linux/mount.h>
#include <sys/mount.h>

#include <algorithm>

#include "tests/unit/base/outcome.h"
#include "tests/unit/policy/fixture.h"

namespace casemate::plan {
namespace {

oci::Spec small_spec() {
  oci::Spec spec;
  spec.process.emplace();
  spec.process->args = {"sh", "-c", "true"};
  spec.process->cwd = "/work";
  spec.root.path = "rootfs";
  spec.linux.cgroups_path = "/casemate/c1";
  spec.linux.namespaces = {{oci::NamespaceType::mount, ""}};
  return spec;
}

Inputs inputs() {
  return {.id = "c1", .bundle = "/bundle"};
}

Plan compiled(const oci::Spec& spec, const Inputs& with = inputs()) {
  auto plan = compile(spec, with);
  EXPECT_TRUE(plan) << plan.error().message();
  return plan.value_or(Plan{});
}

template <class S>
std::vector<S> all_of(const Plan& plan) {
  std::vector<S> found;
  for (const Step& step : plan.steps)
    if (const S* one = std::get_if<S>(&step)) found.push_back(*one);
  return found;
}

std::ptrdiff_t place_of(const Plan& plan, std::string_view name) {
  const auto at = std::find_if(plan.steps.begin(), plan.steps.end(),
                               [&](const Step& step) { return name_of(step) == name; });
  EXPECT_NE(at, plan.steps.end()) << name;
  return at - plan.steps.begin();
}

// The first step of each name stands before that of the next.
void expect_order(const Plan& plan, const std::vector<std::string>& names) {
  for (std::size_t i = 1; i < names.size(); ++i)
    EXPECT_LT(place_of(plan, names[i - 1]), place_of(plan, names[i]))
        << names[i - 1] << " before " << names[i];
}

std::vector<std::string> device_paths(const Plan& plan) {
  std::vector<std::string> paths;
  for (const MakeDevice& one : all_of<MakeDevice>(plan)) paths.push_back(one.device.path);
  return paths;
}

TEST(Compile, NothingWithoutAProcess) {
  oci::Spec spec = small_spec();
  spec.process.reset();
  EXPECT_EQ(rule_of(compile(spec, inputs())), "oci.process");
}

TEST(Compile, RelativePathsStartAtTheBundle) {
  oci::Spec spec = small_spec();
  spec.mounts = {{"/a", "bind", "data", {"ro"}}, {"/b", "bind", "/srv/data", {}}};
  const Plan plan = compiled(spec);
  EXPECT_EQ(plan.find<AttachRoot>()->source, "/bundle/rootfs");
  const auto mounts = all_of<AttachMount>(plan);
  ASSERT_EQ(mounts.size(), 2u);
  EXPECT_EQ(mounts[0].source, "/bundle/data");
  EXPECT_EQ(mounts[0].kind, MountKind::bind);
  EXPECT_EQ(mounts[1].source, "/srv/data");
}

TEST(Compile, KindsOfMounts) {
  oci::Spec spec = small_spec();
  spec.mounts = {{"/proc", "proc", "proc", {"nosuid"}},
                 {"/sys/fs/cgroup", "cgroup", "cgroup", {"ro"}},
                 {"/cg", "cgroup2", "cgroup", {}}};
  Inputs with = inputs();
  with.datasets = {{"digits", "/data"}};
  const auto mounts = all_of<AttachMount>(compiled(spec, with));
  ASSERT_EQ(mounts.size(), 4u);
  EXPECT_EQ(mounts[0].kind, MountKind::filesystem);
  EXPECT_EQ(mounts[0].type, "proc");
  EXPECT_EQ(mounts[1].kind, MountKind::cgroup);
  EXPECT_EQ(mounts[2].kind, MountKind::cgroup);
  EXPECT_EQ(mounts[3].kind, MountKind::dataset);
  EXPECT_EQ(mounts[3].source, "digits");
  EXPECT_EQ(mounts[3].destination, "/data");
}

// Of a job every tmpfs is one that the warden can overwrite; of other containers none.
TEST(Compile, AJobsTmpfsIsScratch) {
  oci::Spec spec = small_spec();
  spec.mounts = {{.destination = "/tmp", .type = "tmpfs", .source = "tmpfs"},
                 {.destination = "/proc", .type = "proc", .source = "proc"}};
  const auto kinds = [&](std::uint64_t upper_bytes) {
    Inputs inputs;
    inputs.upper_bytes = upper_bytes;
    std::vector<MountKind> found;
    for (const AttachMount& mount : all_of<AttachMount>(*compile(spec, inputs)))
      found.push_back(mount.kind);
    return found;
  };
  using enum MountKind;
  EXPECT_EQ(kinds(1 << 20), (std::vector{scratch, filesystem}));
  EXPECT_EQ(kinds(0), (std::vector{filesystem, filesystem}));
}

TEST(Compile, BadMountOptionsAreNamed) {
  oci::Spec spec = small_spec();
  spec.mounts = {{"/a", "tmpfs", "tmpfs", {}}, {"/b", "bind", "/srv", {"size=1"}}};
  const auto data = compile(spec, inputs());
  EXPECT_EQ(rule_of(data), "oci.mount-option");
  EXPECT_EQ(data.error().pointer, "/mounts/1/options");
  spec.mounts[1].options = {"remount"};
  const auto remount = compile(spec, inputs());
  EXPECT_EQ(rule_of(remount), "oci.mount-option");
  EXPECT_EQ(remount.error().pointer, "/mounts/1/options/0");
  spec.mounts[1].options = {"bind", "tmpcopyup"};
  EXPECT_EQ(rule_of(compile(spec, inputs())), "oci.mount-option");
  spec.mounts.clear();
  spec.linux.rootfs_propagation = "sideways";
  EXPECT_EQ(rule_of(compile(spec, inputs())), "oci.rootfs-propagation");
}

TEST(Compile, IdmappedBinds) {
  oci::Spec spec = small_spec();
  spec.mounts = {{"/b", "bind", "/srv", {"rbind", "ridmap"}}};
  EXPECT_EQ(rule_of(compile(spec, inputs())), "oci.mount-idmap");  // nobody's mappings
  spec.linux.namespaces.push_back({oci::NamespaceType::user, "/proc/7/ns/user"});
  spec.linux.uid_mappings = {{0, 1000, 10}};
  spec.linux.gid_mappings = {{0, 2000, 10}};
  AttachMount mount = all_of<AttachMount>(compiled(spec))[0];
  ASSERT_TRUE(mount.idmap);
  EXPECT_EQ(mount.idmap->uids[0].host_id, 1000u);
  EXPECT_EQ(mount.idmap->gids[0].host_id, 2000u);
  EXPECT_TRUE(mount.options.idmap_recursive);

  spec.mounts[0].uid_mappings = {{5, 50, 1}};  // its own before the namespace's
  spec.mounts[0].gid_mappings = {{6, 60, 1}};
  mount = all_of<AttachMount>(compiled(spec))[0];
  EXPECT_EQ(mount.idmap->uids[0].container_id, 5u);
  EXPECT_EQ(mount.idmap->gids[0].container_id, 6u);
  spec.mounts[0].options = {"rbind"};
  EXPECT_FALSE(all_of<AttachMount>(compiled(spec))[0].idmap);
}

TEST(Compile, CopyUp) {
  oci::Spec spec = small_spec();
  spec.mounts = {{"/t", "tmpfs", "tmpfs", {"tmpcopyup", "ro"}}};
  EXPECT_TRUE(all_of<AttachMount>(compiled(spec))[0].options.copy_up);
  Inputs job = inputs();
  job.upper_bytes = 1 << 20;  // a job's: the warden must be able to overwrite it
  EXPECT_EQ(rule_of(compile(spec, job)), "mount.copy-up-readonly");
  spec.mounts[0].options = {"tmpcopyup"};
  EXPECT_EQ(all_of<AttachMount>(compiled(spec, job))[0].kind, MountKind::scratch);
}

// A new file system has nothing below it: "rro" is "ro" there, and the last word of each counts.
TEST(Compile, RecursiveAttributesOfNewFileSystems) {
  oci::Spec spec = small_spec();
  spec.mounts = {{"/t", "tmpfs", "tmpfs", {"rro", "noexec", "rexec", "rnoatime"}},
                 {"/b", "bind", "/srv", {"rbind", "rro"}}};
  const auto mounts = all_of<AttachMount>(compiled(spec));
  EXPECT_EQ(mounts[0].options.attributes.set,
            std::uint64_t{MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOATIME});
  EXPECT_NE(mounts[0].options.attributes.clear & MOUNT_ATTR_NOEXEC, 0u);
  EXPECT_EQ(mounts[0].options.recursive_attributes, MountAttributes{});
  EXPECT_EQ(mounts[1].options.recursive_attributes.set, std::uint64_t{MOUNT_ATTR_RDONLY});
}

// Not even under a profile that only complains.
TEST(Compile, OnlyAMountNamespaceOfItsOwn) {
  oci::Spec spec = small_spec();
  spec.linux.namespaces = {{oci::NamespaceType::mount, "/proc/7/ns/mnt"}};
  EXPECT_EQ(rule_of(compile(spec, inputs())), "namespaces.mount");
  spec.linux.namespaces = {{oci::NamespaceType::pid, ""}};
  EXPECT_EQ(rule_of(compile(spec, inputs())), "namespaces.mount");
}

TEST(Compile, ControlGroupMountsTakeNoData) {
  for (const char* type : {"cgroup", "cgroup2"})
    for (const char* option : {"memory", "name=systemd", "sync"}) {
      oci::Spec spec = small_spec();
      spec.mounts = {{"/sys/fs/cgroup", type, "cgroup", {"ro", option}}};
      const auto refused = compile(spec, inputs());
      EXPECT_EQ(rule_of(refused), "oci.mount-option") << option;
      EXPECT_EQ(refused.error().pointer, "/mounts/0/options");
    }
}

TEST(Compile, DefaultDevices) {
  oci::Spec spec = small_spec();
  const std::vector<std::string> defaults = {"/dev/null",   "/dev/zero",    "/dev/full",
                                             "/dev/random", "/dev/urandom", "/dev/tty"};
  EXPECT_EQ(device_paths(compiled(spec)), defaults);
  EXPECT_EQ(all_of<MakeSymlink>(compiled(spec)).size(), 5u);

  spec.linux.devices = {{.path = "/dev/null", .major = 1, .minor = 3, .file_mode = 0600}};
  const auto devices = all_of<MakeDevice>(compiled(spec));
  const auto null = std::count_if(devices.begin(), devices.end(), [](const MakeDevice& one) {
    return one.device.path == "/dev/null";
  });
  EXPECT_EQ(null, 1);
  EXPECT_EQ(devices.back().device.file_mode, 0600u);

  for (const char* destination : {"/dev", "/dev/"}) {
    spec.mounts = {{destination, "bind", "/dev", {"rbind"}}};
    EXPECT_TRUE(device_paths(compiled(spec)).empty()) << destination;
    EXPECT_TRUE(all_of<MakeSymlink>(compiled(spec)).empty()) << destination;
  }
  spec.mounts = {{"/dev", "tmpfs", "tmpfs", {}}};
  EXPECT_EQ(device_paths(compiled(spec)).size(), defaults.size());
}

// The rules that every container needs come after those asked for, so that they hold.
TEST(Compile, DefaultDeviceRulesComeLast) {
  oci::Spec spec = small_spec();
  spec.linux.resources.devices = {{false, 'a', {}, {}, "rwm"}};
  const auto& rules = compiled(spec).find<CreateCgroup>()->resources.devices;
  ASSERT_EQ(rules.size(), 11u);
  EXPECT_FALSE(rules.front().allow);
  for (std::size_t i = 1; i < rules.size(); ++i) {
    EXPECT_TRUE(rules[i].allow);
    const bool everything = !rules[i].major && !rules[i].minor;
    EXPECT_EQ(rules[i].access, everything ? "m" : "rwm");
  }
  EXPECT_EQ(spec.linux.resources.devices.size(), 1u);
}

TEST(Compile, OrderOfTheParent) {
  oci::Spec spec = small_spec();
  spec.linux.uid_mappings = spec.linux.gid_mappings = {{0, 100000, 65536}};
  spec.linux.boottime_offset = oci::TimeOffset{1, 0};
  spec.hooks.prestart = {{.path = "/bin/h"}};
  spec.hooks.create_runtime = {{.path = "/bin/i"}};
  spec.hooks.create_container = {{.path = "/bin/j"}};
  const Plan plan = compiled(spec);
  expect_order(plan, {"cgroup", "namespaces", "id-maps", "time-offsets", "hooks", "root"});
  const auto hooks = all_of<RunHooks>(plan);
  ASSERT_EQ(hooks.size(), 3u);
  EXPECT_EQ(hooks[0].phase, "prestart");
  EXPECT_EQ(hooks[1].phase, "createRuntime");
  EXPECT_EQ(hooks[2].phase, "createContainer");
  EXPECT_EQ(hooks[2].hooks[0].path, "/bin/j");
  // Whatever is the parent's is done before whatever is init's.
  const auto first_of_init =
      std::find_if(plan.steps.begin(), plan.steps.end(),
                   [](const Step& step) { return executor_of(step) == Executor::init; });
  EXPECT_TRUE(std::all_of(first_of_init, plan.steps.end(),
                          [](const Step& step) { return executor_of(step) == Executor::init; }));
}

oci::Spec full_spec() {
  oci::Spec spec = small_spec();
  spec.hostname = "box";
  spec.root.readonly = true;
  spec.mounts = {{"/proc", "proc", "proc", {}}};
  spec.linux.sysctl = {{"net.ipv4.ip_forward", "1"}};
  spec.linux.readonly_paths = {"/proc/sys"};
  spec.linux.masked_paths = {"/proc/kcore"};
  spec.linux.seccomp = oci::Seccomp{.default_action = "SCMP_ACT_ALLOW"};
  oci::Process& process = *spec.process;
  process.terminal = true;
  process.no_new_privileges = true;
  process.oom_score_adj = 100;
  process.rlimits = {{"RLIMIT_NOFILE", 1024, 512}};
  process.selinux_label = "system_u:system_r:container_t:s0";
  process.capabilities = oci::Capabilities{.bounding = {"CAP_KILL"},
                                           .effective = {"CAP_KILL"},
                                           .inheritable = {"CAP_KILL"},
                                           .permitted = {"CAP_KILL"},
                                           .ambient = {"CAP_KILL"}};
  return spec;
}

TEST(Compile, OrderOfInit) {
  Inputs with = inputs();
  with.selinux_enabled = true;
  with.profile_filter = oci::Seccomp{.default_action = "SCMP_ACT_ERRNO"};
  const Plan plan = compiled(full_spec(), with);
  expect_order(plan, {"root",          "mount",       "device",  "symlink",           "console",
                      "pivot-root",    "hostname",    "sysctl",  "readonly-path",     "mask-path",
                      "root-readonly", "oom-score",   "rlimit",  "selinux-label",     "keyring",
                      "cwd",           "credentials", "program", "no-new-privileges", "seccomp",
                      "capabilities",  "execute"});
  const auto filters = all_of<LoadSeccomp>(plan);
  ASSERT_EQ(filters.size(), 2u);
  EXPECT_EQ(filters[0].from, FilterSource::profile);
  EXPECT_EQ(filters[0].filter.default_action, "SCMP_ACT_ERRNO");
  EXPECT_EQ(filters[1].from, FilterSource::container);
  EXPECT_TRUE(std::holds_alternative<Execute>(plan.steps.back()));
  EXPECT_EQ(plan.find<NewKeyring>()->name, "_ses.c1");
  EXPECT_EQ(plan.find<SetWorkingDirectory>()->path, "/work");
  const std::uint64_t kill = std::uint64_t{1} << CAP_KILL;
  const auto* sets = plan.find<SetCapabilities>();
  EXPECT_EQ(std::vector({sets->bounding, sets->effective, sets->inheritable, sets->permitted,
                         sets->ambient}),
            std::vector(5, kill));
}

TEST(Compile, WhatIsNotAskedIsNotDone) {
  const Plan plan = compiled(small_spec());
  for (const Step& step : plan.steps)
    for (const char* name : {"id-maps", "time-offsets", "hooks", "mount", "console", "hostname",
                             "sysctl", "readonly-path", "mask-path", "root-readonly", "oom-score",
                             "rlimit", "selinux-label", "no-new-privileges", "seccomp"})
      EXPECT_NE(name_of(step), name);
  // No capabilities asked for means none, not those of the runtime.
  const auto* sets = plan.find<SetCapabilities>();
  ASSERT_NE(sets, nullptr);
  EXPECT_EQ(sets->bounding | sets->permitted | sets->effective | sets->ambient, 0u);
}

TEST(Compile, TheUpperLayer) {
  Inputs with = inputs();
  with.upper_bytes = 1 << 20;
  EXPECT_EQ(compiled(small_spec(), with).find<AttachRoot>()->upper_bytes, 1u << 20);
  EXPECT_EQ(compiled(small_spec()).find<AttachRoot>()->upper_bytes, 0u);
}

TEST(Compile, TheUpperLayerNeedsTheHostsUsers) {
  oci::Spec spec = small_spec();
  spec.linux.namespaces.push_back({oci::NamespaceType::user, ""});
  spec.linux.uid_mappings = {{0, 100000, 65536}};
  spec.linux.gid_mappings = {{0, 100000, 65536}};
  EXPECT_TRUE(compile(spec, inputs()));
  Inputs with = inputs();
  with.upper_bytes = 1 << 20;
  const auto refused = compile(spec, with);
  EXPECT_EQ(rule_of(refused), "rootfs.user-namespace");
  EXPECT_EQ(refused.error().cls, ErrorClass::unsupported);
}

TEST(Compile, LabelsNeedSelinux) {
  const auto refused = compile(full_spec(), inputs());
  EXPECT_EQ(rule_of(refused), "selinux.disabled");
  EXPECT_EQ(refused.error().cls, ErrorClass::unsupported);
}

TEST(Compile, TheMountLabel) {
  oci::Spec spec = small_spec();
  const std::string label = "system_u:object_r:container_file_t:s0:c1,c2";
  spec.linux.mount_label = label;
  spec.mounts = {{.destination = "/proc", .type = "proc"},
                 {.destination = "/dev/mqueue", .type = "mqueue"},
                 {.destination = "/tmp", .type = "tmpfs"},
                 {.destination = "/b", .source = "/b", .options = {"bind"}}};
  Inputs with = inputs();
  EXPECT_EQ(rule_of(compile(spec, with)), "selinux.disabled");
  with.selinux_enabled = true;
  with.datasets = {{"d", "/data"}};
  const Plan plan = compiled(spec, with);
  std::map<std::string, std::string> labels;
  for (const Step& step : plan.steps)
    if (const auto* mount = std::get_if<AttachMount>(&step))
      labels[mount->destination] = mount->label;
  const std::map<std::string, std::string> expected = {
      {"/proc", ""}, {"/dev/mqueue", ""}, {"/tmp", label}, {"/b", ""}, {"/data", label}};
  EXPECT_EQ(labels, expected);
  // The files of a root that is bound have their own labels.
  EXPECT_EQ(plan.find<AttachRoot>()->label, "");
  with.upper_bytes = 1 << 20;
  EXPECT_EQ(compiled(spec, with).find<AttachRoot>()->label, label);
}

TEST(Compile, UnknownNamesAreRefused) {
  oci::Spec spec = small_spec();
  spec.process->rlimits = {{"RLIMIT_BEER", 1, 1}};
  EXPECT_EQ(rule_of(compile(spec, inputs())), "oci.rlimit");
  spec.process->rlimits.clear();
  spec.process->capabilities = oci::Capabilities{.bounding = {"CAP_BEER"}};
  EXPECT_EQ(rule_of(compile(spec, inputs())), "oci.capability");
}

TEST(Compile, CapabilitySetsMustNest) {
  oci::Spec spec = small_spec();
  spec.process->capabilities = oci::Capabilities{.effective = {"CAP_KILL"}};
  const auto effective = compile(spec, inputs());
  EXPECT_EQ(rule_of(effective), "oci.capability-sets");
  EXPECT_EQ(effective.error().pointer, "/process/capabilities/effective");
  for (const bool permitted : {true, false}) {
    oci::Capabilities sets{.ambient = {"CAP_KILL"}};
    (permitted ? sets.permitted : sets.inheritable) = {"CAP_KILL"};
    spec.process->capabilities = sets;
    const auto ambient = compile(spec, inputs());
    EXPECT_EQ(rule_of(ambient), "oci.capability-sets");
    EXPECT_EQ(ambient.error().pointer, "/process/capabilities/ambient");
  }
}

TEST(Compile, TheProgramIsLookedUpInTheContainersPath) {
  oci::Spec spec = small_spec();
  spec.process->env = {"XPATH=/no", "PATH=/opt/bin:/bin", "PATH=/later"};
  EXPECT_EQ(compiled(spec).find<ResolveProgram>()->search_path, "/opt/bin:/bin");
  EXPECT_EQ(compiled(spec).find<ResolveProgram>()->name, "sh");
  spec.process->env.clear();
  EXPECT_EQ(compiled(spec).find<ResolveProgram>()->search_path,
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
}

// Real time needs a capability that is given up later, and no filter may be in the way.
TEST(Compile, SchedulingBeforeTheUserAndTheFilters) {
  oci::Spec spec = small_spec();
  spec.process->scheduler = oci::Scheduler{.policy = "SCHED_RR", .priority = 1};
  spec.process->io_priority = oci::IoPriority{.io_class = "IOPRIO_CLASS_BE"};
  spec.process->exec_cpu_affinity = oci::ExecCpuAffinity{.final = {1}};
  spec.linux.memory_policy = oci::MemoryPolicy{.mode = "MPOL_LOCAL"};
  spec.linux.personality = "LINUX32";
  spec.linux.seccomp = oci::Seccomp{.default_action = "SCMP_ACT_ALLOW"};
  const Plan plan = compiled(spec);
  for (const char* step : {"scheduler", "io-priority", "memory-policy", "personality"})
    expect_order(plan, {"pivot-root", step, "credentials", "seccomp", "capabilities"});
  EXPECT_NE(plan.find<ExecCpuAffinity>(), nullptr) << "kept for exec";
  EXPECT_EQ(plan.find<SetCpuAffinity>(), nullptr) << "not of the container's own process";
}

TEST(Compile, WhatTheCallerPassesOn) {
  oci::Spec spec = small_spec();
  spec.process->env = {"A=b", "NOTIFY_SOCKET=/run/systemd/notify", "LISTEN_FDS=9", "LISTEN_PID=9"};
  EXPECT_EQ(compiled(spec).find<Execute>()->env, spec.process->env) << "nothing passed on";
  Inputs with = inputs();
  with.notify = true;
  const Plan notify = compiled(spec, with);
  EXPECT_EQ(notify.find<Execute>()->env,
            (std::vector<std::string>{"A=b", "LISTEN_FDS=9", "LISTEN_PID=9",
                                      "NOTIFY_SOCKET=/run/notify/notify.sock"}));
  const auto mounts = all_of<AttachMount>(notify);
  ASSERT_EQ(mounts.size(), 1u);
  EXPECT_EQ(mounts[0].kind, MountKind::notify);
  EXPECT_EQ(mounts[0].destination, "/run/notify");
  EXPECT_EQ(mounts[0].options.attributes.set,
            MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
  with = inputs();
  with.listen_fds = 2;
  EXPECT_EQ(compiled(spec, with).find<Execute>()->env,
            (std::vector<std::string>{"A=b", "NOTIFY_SOCKET=/run/systemd/notify", "LISTEN_FDS=2",
                                      "LISTEN_PID=1"}));
}

}  // namespace
}  // namespace casemate::plan
