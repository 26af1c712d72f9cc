#include "shim/run/hook_digest.h"

#include <gtest/gtest.h>

#include "shim/base/encoding.h"
#include "shim/sys/faulty_kernel.h"
#include "shim/sys/real_kernel.h"
#include "tests/unit/base/outcome.h"
#include "tests/unit/fs/scratch.h"

namespace casemate::run {
namespace {

class HookDigest : public testing::Test {
 protected:
  void SetUp() override {
    scratch.write("root/hook", kProgram);
    runtime.config.paths.data = scratch / "data";
    runtime.config.hooks = {{real_path(), sha256_hex(kProgram)}};
    spec.hooks.prestart = {{.path = scratch / "root/hook"}};
  }
  std::string real_path() { return std::filesystem::canonical(scratch / "root/hook"); }
  Status check() {
    apply::HostPaths paths(real);
    for (const auto* phase : {&spec.hooks.prestart, &spec.hooks.poststop})
      for (const oci::Hook& hook : *phase) EXPECT_TRUE(paths.open(hook.path));
    return check_hook_digests(runtime, spec, paths);
  }
  std::size_t remembered() {
    std::size_t files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(scratch / "data/hooks"))
      files += entry.is_regular_file();
    return files;
  }

  const std::string kProgram = "#!/bin/sh\n" + std::string(3 << 20, '#');
  fs::Scratch scratch;
  sys::RealKernel real;
  sys::FaultyKernel kernel{real};
  Runtime runtime{kernel, {}, {}, Progress(false)};
  oci::Spec spec;
};

TEST_F(HookDigest, TheProgramThatTheHostAllows) {
  const Status done = check();
  EXPECT_TRUE(done) << done.error().message();
}

TEST_F(HookDigest, AnotherProgram) {
  scratch.write("root/hook", kProgram + "#");
  const Status refused = check();
  ASSERT_EQ(rule_of(refused), "hooks.digest");
  EXPECT_EQ(refused.error().cls, ErrorClass::denied);
}

TEST_F(HookDigest, EveryPhaseIsHeldAgainstIt) {
  scratch.write("root/hook", "other");
  for (const auto phase :
       {&oci::Hooks::prestart, &oci::Hooks::create_runtime, &oci::Hooks::create_container,
        &oci::Hooks::poststart, &oci::Hooks::poststop}) {
    spec.hooks = {};
    spec.hooks.*phase = {{.path = scratch / "root/hook"}};
    apply::HostPaths paths(real);
    ASSERT_TRUE(paths.open(scratch / "root/hook"));
    EXPECT_EQ(rule_of(check_hook_digests(runtime, spec, paths)), "hooks.digest");
  }
}

// The host's list names programs; what counts is where the hook's path leads.
TEST_F(HookDigest, ALinkIsItsTarget) {
  scratch.link("hook", "root/link");
  spec.hooks.prestart[0].path = scratch / "root/link";
  EXPECT_TRUE(check());
  scratch.write("root/hook", "other");
  EXPECT_EQ(rule_of(check()), "hooks.digest");
}

TEST_F(HookDigest, IsComputedOnce) {
  ASSERT_TRUE(check());
  EXPECT_EQ(remembered(), 1u);
  kernel.reset();
  ASSERT_TRUE(check());
  std::size_t reads = 0;
  for (const std::string& call : kernel.made()) reads += call.starts_with("read ");
  EXPECT_LE(reads, 2u);  // the remembered digest, not three MiB in blocks of one
  EXPECT_EQ(remembered(), 1u);
}

// Another content of the same size under the same name: the change time tells.
TEST_F(HookDigest, AChangedProgramIsComputedAnew) {
  ASSERT_TRUE(check());
  std::string changed = kProgram;
  changed.back() = '!';
  scratch.write("root/hook", changed);
  EXPECT_EQ(rule_of(check()), "hooks.digest");
  EXPECT_EQ(remembered(), 2u);
}

TEST_F(HookDigest, ADamagedMemoryIsNotBelieved) {
  ASSERT_TRUE(check());
  for (const auto& entry : std::filesystem::directory_iterator(scratch / "data/hooks"))
    std::ofstream(entry.path()) << "short";
  EXPECT_TRUE(check());
}

TEST_F(HookDigest, WhatCannotBeReadIsNotAllowed) {
  kernel.fail_every("read", EIO);
  EXPECT_EQ(errno_of(check()), EIO);
}

TEST_F(HookDigest, OnlyWhereTheHostGivesOne) {
  scratch.write("root/hook", "other");
  runtime.config.hooks[0].sha256.reset();
  EXPECT_TRUE(check());
  runtime.config.hooks = {{"/usr/bin/another", std::string(64, '0')}};
  EXPECT_TRUE(check());
  spec.hooks.prestart[0].path = scratch / "root/absent";
  EXPECT_TRUE(check());
}

}  // namespace
}  // namespace casemate::run
