#include "shim/plan/compile_exec.h"

#include <gtest/gtest.h>

#include "tests/unit/base/outcome.h"

namespace casemate::plan {
namespace {

oci::Process a_process() {
  oci::Process process;
  process.args = {"tool", "-x"};
  process.env = {"PATH=/opt/bin"};
  process.cwd = "/srv";
  process.user = {.uid = 5, .gid = 6};
  process.no_new_privileges = true;
  process.rlimits = {{"RLIMIT_CORE", 0, 0}};
  process.oom_score_adj = 3;
  process.capabilities = oci::Capabilities{.bounding = {"CAP_KILL"}};
  return process;
}

Plan a_container() {
  return {{Namespaces{{{oci::NamespaceType::pid, ""},
                       {oci::NamespaceType::network, "/run/netns/one"},
                       {oci::NamespaceType::mount, ""}}},
           LoadSeccomp{FilterSource::profile, {.default_action = "SCMP_ACT_ALLOW"}},
           LoadSeccomp{FilterSource::container, {.default_action = "SCMP_ACT_ERRNO"}},
           SetCredentials{}, SetCapabilities{.bounding = ~0ULL}, Execute{{"/init"}, {}}}};
}

std::vector<std::string_view> names_of(const Plan& plan) {
  std::vector<std::string_view> names;
  for (const Step& step : plan.steps) names.push_back(name_of(step));
  return names;
}

const ExecInputs kInputs{.id = "box", .namespaces = "/proc/77/ns/"};

TEST(CompileExec, StepsInTheKernelsOrder) {
  const auto plan = compile_exec(a_process(), a_container(), kInputs);
  ASSERT_TRUE(plan) << plan.error().message();
  EXPECT_EQ(names_of(plan->before_user),
            (std::vector<std::string_view>{"namespaces", "oom-score", "rlimit"}));
  EXPECT_EQ(names_of(plan->process),
            (std::vector<std::string_view>{"keyring", "cwd", "credentials", "program",
                                           "no-new-privileges", "seccomp", "seccomp",
                                           "capabilities", "execute"}));
  EXPECT_EQ(plan->whole().steps.size(), 12u);
  EXPECT_FALSE(plan->process.find<SetWorkingDirectory>()->make);
  EXPECT_EQ(plan->process.find<ResolveProgram>()->search_path, "/opt/bin");
  EXPECT_EQ(plan->process.find<SetCapabilities>()->bounding, 1ULL << 5);
  EXPECT_EQ(plan->process.find<SetCapabilities>()->effective, 0u);
}

TEST(CompileExec, NamespacesAreThoseThatInitIsIn) {
  const auto plan = compile_exec(a_process(), a_container(), kInputs);
  ASSERT_TRUE(plan);
  const auto& all = plan->before_user.find<Namespaces>()->all;
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].path, "/proc/77/ns/pid");
  EXPECT_EQ(all[1].path, "/proc/77/ns/net");
  EXPECT_EQ(all[2].path, "/proc/77/ns/mnt");
}

TEST(CompileExec, FiltersAreTheContainers) {
  const auto plan = compile_exec(a_process(), a_container(), kInputs);
  ASSERT_TRUE(plan);
  const Plan container = a_container();
  std::vector<Json> wanted, found;
  for (const Step& step : container.steps)
    if (std::holds_alternative<LoadSeccomp>(step)) wanted.push_back(to_json(step));
  for (const Step& step : plan->process.steps)
    if (std::holds_alternative<LoadSeccomp>(step)) found.push_back(to_json(step));
  EXPECT_EQ(found, wanted);
  EXPECT_EQ(found.size(), 2u);
}

TEST(CompileExec, TerminalUserNamespaceAndLabel) {
  oci::Process process = a_process();
  process.terminal = true;
  process.console_size = oci::ConsoleSize{24, 80};
  Plan container = a_container();
  container.steps.emplace_back(IdMaps{{{0, 1000, 1}}, {{0, 1000, 1}}});
  const auto plan = compile_exec(process, container, kInputs);
  ASSERT_TRUE(plan);
  const auto* console = plan->process.find<AttachConsole>();
  ASSERT_NE(console, nullptr);
  EXPECT_FALSE(console->bind);
  EXPECT_EQ(console->size->width, 80);
  EXPECT_NE(plan->before_user.find<IdMaps>(), nullptr);
  process.selinux_label = "u:r:container_t:s0";
  EXPECT_EQ(rule_of(compile_exec(process, container, kInputs)), "selinux.disabled");
}

// Scheduler and processors are the process' own; memory and personality the container's.
TEST(CompileExec, WhenWhereAndAsWhat) {
  oci::Process process = a_process();
  process.scheduler = oci::Scheduler{.policy = "SCHED_BATCH"};
  process.io_priority = oci::IoPriority{.io_class = "IOPRIO_CLASS_IDLE"};
  process.exec_cpu_affinity = oci::ExecCpuAffinity{.initial = {0}, .final = {1}};
  Plan container = a_container();
  container.steps.emplace_back(SetMemoryPolicy{{.mode = "MPOL_LOCAL"}});
  container.steps.emplace_back(SetScheduler{{.policy = "SCHED_IDLE"}});
  ExecInputs inputs = kInputs;
  inputs.personality = "LINUX32";
  auto plan = compile_exec(process, container, inputs);
  ASSERT_TRUE(plan) << plan.error().message();
  EXPECT_EQ(names_of(plan->before_user),
            (std::vector<std::string_view>{"namespaces", "memory-policy", "personality",
                                           "initial-cpu-affinity", "cpu-affinity", "oom-score",
                                           "rlimit", "scheduler", "io-priority"}));
  EXPECT_EQ(plan->before_user.find<SetScheduler>()->scheduler.policy, "SCHED_BATCH");
  process.exec_cpu_affinity = oci::ExecCpuAffinity{.final = {1}};
  plan = compile_exec(process, container, kInputs);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->before_user.find<InitialCpuAffinity>(), nullptr);
  EXPECT_NE(plan->before_user.find<SetCpuAffinity>(), nullptr);
}

TEST(CompileExec, NonsenseIsRefused) {
  oci::Process process = a_process();
  process.capabilities->bounding = {"CAP_BEER"};
  EXPECT_EQ(rule_of(compile_exec(process, a_container(), kInputs)), "oci.capability");
  process = a_process();
  process.capabilities = oci::Capabilities{.effective = {"CAP_KILL"}};
  EXPECT_EQ(rule_of(compile_exec(process, a_container(), kInputs)), "oci.capability-sets");
}

}  // namespace
}  // namespace casemate::plan
