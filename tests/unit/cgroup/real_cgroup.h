// Control groups of this machine, as root. Every test has a parent of its own and takes it away.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "shim/cgroup/cgroup.h"
#include "shim/cgroup/devices.h"
#include "shim/sys/faulty_kernel.h"
#include "shim/sys/real_kernel.h"

namespace casemate::cgroup {
using namespace std::chrono_literals;

class RealCgroup : public ::testing::Test {
 protected:
  void SetUp() override {
    auto all = read_hierarchies(kernel_);
    ASSERT_TRUE(all) << all.error().message();
    hierarchies_ = std::move(*all);
    static int count = 0;
    parent_ = "casemate-test-" + std::to_string(::getpid()) + "-" + std::to_string(++count);
  }
  void TearDown() override {
    for (const pid_t child : children_) {
      ::kill(child, SIGKILL);
      ::waitpid(child, nullptr, 0);
    }
    for (const char* name : {"/leaf/deep", "/leaf/inner", "/leaf", ""}) {
      for (const Hierarchy& one : hierarchies_) {
        ::rmdir((one.mount_point + "/" + parent_ + name).c_str());
      }
    }
    EXPECT_EQ(residue(), "");
  }

  std::string leaf_path() const { return "/" + parent_ + "/leaf"; }
  // Directories of ours that are still there.
  std::string residue() const {
    std::string out;
    for (const Hierarchy& one : hierarchies_) {
      const std::string path = one.mount_point + "/" + parent_;
      if (std::filesystem::exists(path)) out += path + " ";
    }
    return out;
  }
  Cgroup make() {
    auto made = Cgroup::create(kernel_, hierarchies_, leaf_path());
    EXPECT_TRUE(made) << made.error().message();
    return std::move(*made);
  }
  template <class Body>
  pid_t fork_child(Body body) {
    const pid_t child = ::fork();
    if (child == 0) {
      body();
      ::_exit(0);
    }
    children_.push_back(child);
    return child;
  }
  pid_t sleeper() {
    return fork_child([] { ::pause(); });
  }
  static std::string read(const std::string& path) {
    std::stringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }
  void take_away(Cgroup& group) {
    const auto removed = group.remove();
    EXPECT_TRUE(removed) << removed.error().message();
    group.remove_made_parents();
    EXPECT_EQ(residue(), "");
  }

  sys::RealKernel kernel_;
  std::vector<Hierarchy> hierarchies_;
  std::string parent_;
  std::vector<pid_t> children_;
};

inline oci::Resources some_limits() {
  oci::Resources asked;
  asked.memory.limit = 64 << 20;
  asked.memory.swap = 128 << 20;
  asked.cpu.shares = 512;
  asked.cpu.quota = 50000;
  asked.cpu.period = 100000;
  asked.cpu.cpus = "0";
  asked.cpu.mems = "0";
  asked.pids_limit = 100;
  asked.devices = {{.allow = false, .access = "rwm"},
                   {.allow = true, .type = 'c', .access = "m"},
                   {.allow = true, .type = 'c', .major = 1, .minor = 3, .access = "rw"}};
  return asked;
}

}  // namespace casemate::cgroup
