#include "shim/apply/hooks.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <chrono>

#include "shim/sys/real_kernel.h"
#include "tests/unit/base/outcome.h"
#include "tests/unit/fs/scratch.h"

namespace casemate::apply {
namespace {

using fs::Scratch;

class Hooks : public testing::Test {
 protected:
  // A hook that is this shell script.
  oci::Hook script(const std::string& name, const std::string& text) {
    scratch.write("root/" + name, "#!/bin/sh\n" + text + "\n");
    ::chmod((scratch / ("root/" + name)).c_str(), 0755);
    return {.path = scratch / ("root/" + name)};
  }
  Status run(const oci::Hook& hook, const std::string& state = "{}") {
    HostPaths paths(kernel);
    EXPECT_TRUE(paths.open(hook.path));
    return run_hooks(kernel, {hook}, paths, state);
  }
  std::string out(const std::string& name) { return scratch.read("root/" + name); }
  std::string to(const std::string& name) { return scratch / ("root/" + name); }

  Scratch scratch;
  sys::RealKernel kernel;
};

TEST_F(Hooks, ReadsTheStateFromItsInput) {
  const std::string state = R"({"id":"c1","pid":7})" + std::string(200'000, ' ');
  const Status done = run(script("hook", "/bin/cat > " + to("state")), state);
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(out("state"), state);
}

// A hook that never reads its input holds nobody up.
TEST_F(Hooks, NeedNotReadTheState) {
  EXPECT_TRUE(run(script("hook", "exit 0"), std::string(1 << 20, 'x')));
}

TEST_F(Hooks, HasTheEnvironmentOfTheConfigurationAndNoOther) {
  ASSERT_EQ(::setenv("LD_PRELOAD_CANARY", "leaked", 1), 0);
  ASSERT_TRUE(run(script("hook", "/usr/bin/env > " + to("env"))));
  EXPECT_EQ(out("env").find("LD_PRELOAD_CANARY"), std::string::npos);
  oci::Hook hook = script("hook", "/usr/bin/env > " + to("env"));
  hook.env = {"ASKED=1"};
  ASSERT_TRUE(run(hook));
  EXPECT_NE(out("env").find("ASKED=1"), std::string::npos);
  ASSERT_EQ(::unsetenv("LD_PRELOAD_CANARY"), 0);
}

TEST_F(Hooks, HasTheArgumentsOfTheConfiguration) {
  oci::Hook hook = script("hook", "echo \"$1/$2/$#\" > " + to("args"));
  hook.args = {"name", "a b", "c"};
  ASSERT_TRUE(run(hook));
  EXPECT_EQ(out("args"), "a b/c/2\n");
}

TEST_F(Hooks, InheritsNoDescriptorButItsOwnProgram) {
  const UniqueFd root(::open("/", O_PATH | O_CLOEXEC));
  const UniqueFd leak(::fcntl(root.get(), F_DUPFD, 20));  // inheritable
  ASSERT_GE(leak.get(), 20);
  ASSERT_TRUE(run(script("hook", "/bin/ls -l /proc/$$/fd > " + to("fds"))));
  const std::string fds = out("fds");
  EXPECT_NE(fds.find(" 0 -> "), std::string::npos) << fds;
  EXPECT_EQ(fds.find(" -> /\n"), std::string::npos) << fds;
}

TEST_F(Hooks, AFailureTellsTheLastWords) {
  const Status failed = run(script("hook", "echo out; echo the reason >&2; exit 3"));
  ASSERT_EQ(rule_of(failed), "hook.failed");
  EXPECT_NE(failed.error().what.find("exited with 3"), std::string::npos) << failed.error().what;
  EXPECT_TRUE(failed.error().what.ends_with("the reason")) << failed.error().what;
}

TEST_F(Hooks, LastWordsAreTheLast) {
  const Status failed =
      run(script("hook", "i=0; while [ $i -lt 300 ]; do echo line $i; i=$((i+1)); done; exit 1"));
  ASSERT_EQ(rule_of(failed), "hook.failed");
  EXPECT_TRUE(failed.error().what.ends_with("line 299"));
  EXPECT_EQ(failed.error().what.find("line 1\n"), std::string::npos);
  EXPECT_LT(failed.error().what.size(), 1000u);
}

TEST_F(Hooks, DeathBySignal) {
  const Status died = run(script("hook", "kill -9 $$"));
  ASSERT_EQ(rule_of(died), "hook.failed");
  EXPECT_NE(died.error().what.find("died of signal 9"), std::string::npos) << died.error().what;
}

TEST_F(Hooks, AFileThatIsNoProgram) {
  scratch.write("root/text", "not a program");
  const Status failed = run({.path = scratch / "root/text"});
  ASSERT_EQ(rule_of(failed), "hook.failed");
  EXPECT_NE(failed.error().what.find("exited with 127"), std::string::npos);
}

TEST_F(Hooks, TakesNoLongerThanItMay) {
  oci::Hook hook = script("hook", "echo $$ > " + to("pid") + "; exec /bin/sleep 100");
  hook.timeout_s = 1;
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(rule_of(run(hook)), "hook.timeout");
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(30));
  const pid_t pid = std::stoi(out("pid"));
  EXPECT_EQ(::kill(pid, 0), -1) << "the hook still lives";
}

// The specification has no upper limit for the seconds.
TEST_F(Hooks, TheLongestTimeoutIsLong) {
  oci::Hook hook = script("hook", "/bin/sleep 0.2");
  for (const int seconds : {2'147'483, 2'147'484, 42'949'673, INT32_MAX}) {
    hook.timeout_s = seconds;
    const Status done = run(hook);
    EXPECT_TRUE(done) << seconds << ": " << done.error().message();
  }
}

TEST_F(Hooks, RunInOrderAndStopAtTheFirstFailure) {
  const oci::Hook first = script("first", "echo first >> " + to("log"));
  const oci::Hook second = script("second", "echo second >> " + to("log") + "; exit 1");
  const oci::Hook third = script("third", "echo third >> " + to("log"));
  HostPaths paths(kernel);
  for (const auto* hook : {&first, &second, &third}) ASSERT_TRUE(paths.open(hook->path));
  EXPECT_EQ(rule_of(run_hooks(kernel, {first, second, third}, paths, "{}")), "hook.failed");
  EXPECT_EQ(out("log"), "first\nsecond\n");
}

TEST_F(Hooks, AbsentPrograms) {
  EXPECT_EQ(rule_of(run({.path = scratch / "root/absent"})), "host.path");
}

// The program is the file that was judged, not what stands at its path by now.
TEST_F(Hooks, AnExchangedProgramIsNotRun) {
  const oci::Hook hook = script("hook", "echo judged > " + to("who"));
  script("evil", "echo evil > " + to("who"));
  HostPaths paths(kernel);
  ASSERT_TRUE(paths.open(hook.path));
  std::filesystem::rename(to("hook"), to("away"));
  std::filesystem::rename(to("evil"), to("hook"));
  ASSERT_TRUE(run_hooks(kernel, {hook}, paths, "{}"));
  EXPECT_EQ(out("who"), "judged\n");
}

TEST_F(Hooks, OfTheContainerComeWithTheirPrograms) {
  const oci::Hook hook = script("hook", "/bin/cat > " + to("state"));
  const plan::Plan plan{{plan::PivotRoot{}, plan::RunHooks{"createContainer", {hook}}}};
  Prepared prepared;
  prepared.hooks[1].push_back(UniqueFd(::open(hook.path.c_str(), O_PATH | O_CLOEXEC)));
  InitContext context{
      .kernel = kernel, .plan = plan, .prepared = prepared, .state = {{"id", "c1"}}};
  ASSERT_TRUE(run_create_hooks(context, std::get<plan::RunHooks>(plan.steps[1]), 1));
  const Json state = Json::parse(out("state"));
  EXPECT_EQ(state.at("id"), "c1");
  EXPECT_EQ(state.at("status"), "creating");
  EXPECT_EQ(state.at("pid"), ::getpid());
}

// A hook without its program is an error, not a hook that is left out.
TEST_F(Hooks, OfTheContainerAreNeverLeftOut) {
  const oci::Hook hook = script("hook", "echo ran > " + to("log"));
  const plan::Plan plan{{plan::RunHooks{"createContainer", {hook}}}};
  Prepared prepared;
  InitContext context{.kernel = kernel, .plan = plan, .prepared = prepared};
  EXPECT_EQ(rule_of(run_create_hooks(context, std::get<plan::RunHooks>(plan.steps[0]), 0)),
            "hook.unprepared");
}

}  // namespace
}  // namespace casemate::apply
