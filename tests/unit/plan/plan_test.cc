#include "shim/plan/plan.h"

#include <gtest/gtest.h>

#include <set>

#include "shim/base/encoding.h"

namespace casemate::plan {
namespace {

// One step of every kind, in the variant's order.
template <std::size_t... I>
std::vector<Step> every_step(std::index_sequence<I...>) {
  return {Step(std::in_place_index<I>)...};
}
std::vector<Step> every_step() {
  return every_step(std::make_index_sequence<std::variant_size_v<Step>>());
}

TEST(Plan, EveryStepHasItsOwnName) {
  std::set<std::string_view> names;
  for (const Step& step : every_step()) {
    names.insert(name_of(step));
    EXPECT_EQ(to_json(step).at("step"), name_of(step));
  }
  EXPECT_EQ(names.size(), std::variant_size_v<Step>);
  EXPECT_EQ(name_of(AttachMount{}), "mount");
  EXPECT_EQ(name_of(LoadSeccomp{}), "seccomp");
}

TEST(Plan, WhoExecutes) {
  for (const Step& step :
       {Step(CreateCgroup{}), Step(Namespaces{}), Step(IdMaps{}), Step(TimeOffsets{}),
        Step(RunHooks{"prestart", {}}), Step(RunHooks{"createRuntime", {}})})
    EXPECT_EQ(executor_of(step), Executor::parent) << name_of(step);
  for (const Step& step :
       {Step(RunHooks{"createContainer", {}}), Step(AttachRoot{}), Step(MaskPath{}),
        Step(SetCapabilities{}), Step(Execute{}), Step(SetCpuAffinity{}), Step(SetScheduler{})})
    EXPECT_EQ(executor_of(step), Executor::init) << name_of(step);
  EXPECT_EQ(executor_of(Step(InitialCpuAffinity{})), Executor::parent);
  EXPECT_EQ(executor_of(Step(ExecCpuAffinity{})), Executor::later);
}

TEST(Plan, FindsTheFirstOfItsKind) {
  Plan plan;
  EXPECT_EQ(plan.find<MaskPath>(), nullptr);
  plan.steps = {ReadonlyPath{"/a"}, MaskPath{"/b"}, MaskPath{"/c"}};
  ASSERT_NE(plan.find<MaskPath>(), nullptr);
  EXPECT_EQ(plan.find<MaskPath>()->path, "/b");
}

TEST(Plan, JsonIsVersionedAndOrdered) {
  const Plan plan{{MaskPath{"/b"}, PivotRoot{}}};
  EXPECT_EQ(dump(plan.to_json()),
            R"({"steps":[{"path":"/b","step":"mask-path"},{"step":"pivot-root"}],"version":1})");
  EXPECT_EQ(plan.digest(), "sha256:" + sha256_hex(dump(plan.to_json())));
}

// What one of the values of a plan is decides what is done: each must be in the digest.
std::vector<Step> variations() {
  oci::Resources memory, pids, device, unified, burst, leaf, rdma;
  memory.memory.limit = 1;
  pids.pids_limit = 1;
  device.devices = {{true, 'c', 1, 3, "rwm"}};
  unified.unified = {{"memory.high", "1"}};
  burst.cpu.burst = 5;
  leaf.block_io.leaf_weight = 5;
  rdma.rdma["mlx"] = {1, {}};
  AttachMount recursive, data, propagation, dataset{.kind = MountKind::dataset},
      notify{.kind = MountKind::notify};
  recursive.options.recursive_attributes.set = 1;
  data.options.data = {{"size", "1"}};
  propagation.options.propagation_recursive = true;
  AttachMount filled, uid_mapped, gid_mapped, tree_mapped;
  filled.options.copy_up = true;
  uid_mapped.idmap = {{{0, 1, 2}}, {}};
  gid_mapped.idmap = {{}, {{0, 1, 2}}};
  tree_mapped.idmap = uid_mapped.idmap;
  tree_mapped.options.idmap_recursive = true;
  LoadSeccomp errno_ret, rule, profile{.from = FilterSource::profile};
  errno_ret.filter.default_errno_ret = 1;
  rule.filter.syscalls = {{.names = {"read"}, .args = {{.index = 1, .value = 2}}}};
  oci::User umask, groups;
  umask.umask = 0;
  groups.additional_gids = {0};
  return {CreateCgroup{},
          CreateCgroup{"/a", {}},
          CreateCgroup{{}, memory},
          CreateCgroup{{}, pids},
          CreateCgroup{{}, device},
          CreateCgroup{{}, unified},
          CreateCgroup{{}, burst},
          CreateCgroup{{}, leaf},
          CreateCgroup{{}, rdma},
          Namespaces{},
          Namespaces{{{oci::NamespaceType::pid, ""}}},
          Namespaces{{{oci::NamespaceType::pid, "/p"}}},
          IdMaps{},
          IdMaps{{{0, 1, 2}}, {}},
          IdMaps{{}, {{0, 1, 2}}},
          TimeOffsets{},
          TimeOffsets{oci::TimeOffset{1, 0}, {}},
          TimeOffsets{{}, oci::TimeOffset{1, 0}},
          RunHooks{"prestart", {}},
          RunHooks{"createRuntime", {}},
          RunHooks{"prestart", {{.path = "/h"}}},
          RunHooks{"prestart", {{.path = "/h", .timeout_s = 1}}},
          RunHooks{"prestart", {{.path = "/h", .env = {"A=B"}}}},
          AttachRoot{},
          AttachRoot{.upper_bytes = 1},
          AttachRoot{.propagation = 1},
          AttachRoot{.propagation_recursive = false},
          AttachRoot{.label = "l"},
          AttachMount{},
          AttachMount{.label = "l"},
          recursive,
          data,
          propagation,
          dataset,
          notify,
          filled,
          uid_mapped,
          gid_mapped,
          tree_mapped,
          MakeDevice{},
          MakeDevice{{.minor = 1}},
          MakeDevice{{.file_mode = 0}},
          MakeDevice{{.uid = 0}},
          MakeDevice{{.gid = 0}},
          MakeSymlink{"a", "b"},
          MakeSymlink{"b", "a"},
          AttachConsole{},
          AttachConsole{oci::ConsoleSize{1, 2}},
          AttachConsole{oci::ConsoleSize{2, 1}},
          AttachConsole{{}, /*bind=*/false},
          SetWorkingDirectory{{}, /*make=*/false},
          PivotRoot{},
          SetHostname{"a", ""},
          SetHostname{"", "a"},
          WriteSysctl{"a", "b"},
          WriteSysctl{"b", "a"},
          ReadonlyPath{"/a"},
          MaskPath{"/a"},
          RootReadonly{},
          SetOomScore{1},
          SetOomScore{-1},
          SetRlimit{{"RLIMIT_AS", 1, 0}},
          SetRlimit{{"RLIMIT_AS", 0, 1}},
          InitialCpuAffinity{},
          InitialCpuAffinity{{0, 1}},
          ExecCpuAffinity{},
          ExecCpuAffinity{{.initial = {1}}},
          ExecCpuAffinity{{.final = {1}}},
          SetScheduler{},
          SetScheduler{{.policy = "SCHED_RR"}},
          SetScheduler{{.nice = 1}},
          SetScheduler{{.priority = 1}},
          SetScheduler{{.flags = {"SCHED_FLAG_RECLAIM"}}},
          SetScheduler{{.runtime = 1}},
          SetScheduler{{.deadline = 1}},
          SetScheduler{{.period = 1}},
          SetIoPriority{},
          SetIoPriority{{.io_class = "IOPRIO_CLASS_BE"}},
          SetIoPriority{{.priority = 1}},
          SetCpuAffinity{},
          SetCpuAffinity{{7}},
          SetMemoryPolicy{},
          SetMemoryPolicy{{.mode = "MPOL_BIND"}},
          SetMemoryPolicy{{.nodes = {1}}},
          SetMemoryPolicy{{.flags = {"MPOL_F_STATIC_NODES"}}},
          SetPersonality{},
          SetPersonality{"LINUX32"},
          SetLabel{"a"},
          NewKeyring{"a"},
          NoNewPrivileges{},
          LoadSeccomp{},
          errno_ret,
          rule,
          profile,
          SetCredentials{},
          SetCredentials{umask},
          SetCredentials{groups},
          SetCapabilities{.bounding = 1},
          SetCapabilities{.effective = 1},
          SetCapabilities{.inheritable = 1},
          SetCapabilities{.permitted = 1},
          SetCapabilities{.ambient = 1},
          SetWorkingDirectory{"/a"},
          ResolveProgram{"a", "b"},
          ResolveProgram{"b", "a"},
          Execute{{"a"}, {}},
          Execute{{}, {"a"}}};
}

TEST(Plan, EveryValueChangesTheDigest) {
  std::set<std::string> digests;
  const auto all = variations();
  for (const Step& step : all)
    EXPECT_TRUE(digests.insert(Plan{{step}}.digest()).second) << dump(to_json(step));
  EXPECT_EQ(digests.size(), all.size());
  EXPECT_NE((Plan{{MaskPath{"/a"}, MaskPath{"/b"}}}.digest()),
            (Plan{{MaskPath{"/b"}, MaskPath{"/a"}}}.digest()));
}

}  // namespace
}  // namespace casemate::plan
