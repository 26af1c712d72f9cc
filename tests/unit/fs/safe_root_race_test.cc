// Somebody who shares a directory of the root exchanges it with a link, or moves it, all the time
// (CVE-2021-30465, CVE-2024-45310). Nothing may be opened or made outside.
#include <gtest/gtest.h>
#include <stdio.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "shim/fs/safe_root.h"
#include "shim/sys/real_kernel.h"
#include "tests/unit/fs/scratch.h"

namespace casemate::fs {
namespace {

using std::chrono::steady_clock;
constexpr std::chrono::milliseconds kFor{700};

// Exchanges two names until it is destroyed.
class Exchanger {
 public:
  Exchanger(std::string a, std::string b)
      : thread_([this, a = std::move(a), b = std::move(b)] {
          while (!stop_) {
            if (::renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE) == 0)
              ++done_;
          }
        }) {}
  Exchanger(const Exchanger&) = delete;
  Exchanger& operator=(const Exchanger&) = delete;
  ~Exchanger() {
    stop_ = true;
    thread_.join();
    EXPECT_GT(done_, 100) << "the race did not take place";
  }

 private:
  std::atomic<bool> stop_ = false;
  std::atomic<int> done_ = 0;
  std::thread thread_;
};

struct Outcome {
  int succeeded = 0;
  int refused = 0;
};

// A refusal must be one of the guards', not an accident.
void expect_guarded(const Error& error) {
  const bool guarded = error.rule == "fs.link" || error.rule == "fs.race" ||
                       error.rule == "fs.dangling" || error.sys_errno == ENOENT ||
                       error.sys_errno == ENOTDIR;
  EXPECT_TRUE(guarded) << error.message();
}

Outcome make_things(SafeRoot& root) {
  Outcome outcome;
  const auto until = steady_clock::now() + kFor;
  for (int round = 0; steady_clock::now() < until; ++round) {
    const std::string name = std::to_string(round % 500);
    const auto directory = root.make_directory("/shared/target/d" + name + "/x");
    const auto file = root.make_file("/shared/target/f" + name);
    for (const auto* made : {&directory, &file}) {
      if (!*made) expect_guarded(made->error());
      ++(*made ? outcome.succeeded : outcome.refused);
    }
  }
  return outcome;
}

void race_with_link_to(const std::string& target, const Scratch& scratch) {
  scratch.directory("root/shared/target");
  scratch.link(target, "root/shared/evil");
  sys::RealKernel kernel;
  SafeRoot root(kernel, scratch.open_root());
  Outcome outcome;
  {
    const Exchanger attacker(scratch / "root/shared/target", scratch / "root/shared/evil");
    outcome = make_things(root);
  }
  EXPECT_GT(outcome.succeeded, 0);
  EXPECT_GT(outcome.refused, 0);
  EXPECT_TRUE(scratch.outside_is_untouched());
}

TEST(SafeRootRace, AbsoluteLinkNeverLeadsOut) {
  const Scratch scratch;
  race_with_link_to(scratch / "outside", scratch);
}

TEST(SafeRootRace, RelativeLinkNeverLeadsOut) {
  const Scratch scratch;
  race_with_link_to("../../outside", scratch);
}

// A directory that is moved out of the root while ".." walks up from it (the classic chroot
// escape).
TEST(SafeRootRace, MovedDirectoryNeverLeadsOut) {
  const Scratch scratch;
  scratch.directory("root/a/b/c/d");
  scratch.directory("elsewhere/x");
  scratch.write("canary", "canary");
  const Identity canary = identity(scratch / "canary");
  sys::RealKernel kernel;
  const SafeRoot root(kernel, scratch.open_root());
  int denied = 0;
  {
    const Exchanger attacker(scratch / "root/a/b", scratch / "elsewhere/x");
    const auto until = steady_clock::now() + kFor;
    while (steady_clock::now() < until) {
      const auto file = root.open("a/b/c/d/../../../../../canary", O_RDONLY);
      if (!file) {
        expect_guarded(file.error());
        ++denied;
        continue;
      }
      ASSERT_NE(identity(file->get()), canary);
    }
  }
  EXPECT_GT(denied, 0);
}

}  // namespace
}  // namespace casemate::fs
