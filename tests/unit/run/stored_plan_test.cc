#include "shim/run/stored_plan.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shim/plan/plan.h"
#include "shim/sys/real_kernel.h"
#include "tests/unit/fs/scratch.h"
#include "tests/unit/sys/mortal_kernel.h"

namespace casemate::run {
namespace {

using warden::ContainerDir;

constexpr const char* kOld = R"({"limits":1})";
constexpr const char* kNew = R"({"limits":2})";

class StoredPlan : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(ContainerDir::create(kernel, scratch / "state", "/r", "c"));
    begin();
  }
  void begin() {
    auto directory = open(kernel);
    ASSERT_TRUE(directory.save_plan(kOld));
    ASSERT_TRUE(directory.save_state({.id = "c", .plan_digest = plan::digest_of(kOld)}));
  }
  ContainerDir open(sys::Kernel& with) {
    return ContainerDir::open(with, scratch / "state", "/r", "c").value();
  }
  Result<std::string> look() {
    auto directory = open(kernel);
    return stored_plan_unlocked(directory, directory.load_state().value());
  }

  fs::Scratch scratch;
  sys::RealKernel kernel;
};

TEST_F(StoredPlan, AnotherTextIsRefused) {
  EXPECT_EQ(look().value(), kOld);
  ASSERT_TRUE(open(kernel).save_plan(kNew));
  EXPECT_EQ(look().error().rule, "plan.stored");
}

TEST_F(StoredPlan, AnUpdateKilledAtAnyCallLeavesFilesThatHoldTogether) {
  int status = -1;
  for (std::size_t call = 1; status != 0; ++call) {
    begin();
    const pid_t updater = ::fork();
    if (updater == 0) {
      sys::MortalKernel mortal(kernel);
      auto directory = open(mortal);
      mortal.die_at(call);
      ::_exit(replace_plan(directory, kOld, kNew) ? 0 : 1);
    }
    ASSERT_EQ(::waitpid(updater, &status, 0), updater);
    const auto text = look();
    ASSERT_TRUE(text) << "killed at call " << call;
    EXPECT_TRUE(*text == kOld || *text == kNew);
    // The next update, and the way back of one that failed, start from whatever there is.
    auto directory = open(kernel);
    ASSERT_TRUE(replace_plan(directory, kNew, kOld));
    EXPECT_EQ(look().value(), kOld);
    EXPECT_FALSE(directory.load_state().value().extra.contains("nextPlan"));
  }
}

TEST_F(StoredPlan, WhoLooksDuringUpdatesIsNeverMisled) {
  const pid_t updater = ::fork();
  if (updater == 0) {
    auto directory = open(kernel);
    for (int i = 0; i < 300; ++i) {
      const auto lock = directory.lock();
      const bool forth = replace_plan(directory, kOld, kNew).has_value();
      if (!forth || !replace_plan(directory, kNew, kOld)) ::_exit(1);
    }
    ::_exit(0);
  }
  int status = -1;
  while (::waitpid(updater, &status, WNOHANG) == 0) {
    const auto text = look();
    EXPECT_TRUE(text) << text.error().message();
  }
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace casemate::run
