// Faults for the calls of a command and of the child that it clones, one at a time.
#pragma once

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>
#include <string_view>

#include "shim/sys/intercepting_kernel.h"

namespace casemate {

// What both tests ask for of the scheduler and its kind: "" when the process has it.
inline std::string look_at_scheduling(pid_t pid) {
  const auto file_of = [&](const char* name) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/" + name);
    return std::string{std::istreambuf_iterator<char>(file), {}};
  };
  constexpr int kBestEffort6 = 2 << 13 | 6;
  if (::sched_getscheduler(pid) != SCHED_BATCH) return "scheduler";
  if (::getpriority(PRIO_PROCESS, static_cast<id_t>(pid)) != 5) return "nice";
  if (::syscall(SYS_ioprio_get, 1, pid) != kBestEffort6) return "I/O priority";
  if (file_of("personality") != "00000008\n") return "personality";
  // Not of one that has no memory yet.
  const std::string maps = file_of("numa_maps");
  if (!maps.empty() && maps.find(" bind:0 ") == std::string::npos) return "memory policy";
  return {};
}

// The two processes whose calls are numbered: the command itself, and its child from clone3 to
// exec.
enum Who { parent, init };

// What both know of the other: in memory that survives the fork.
struct Calls {
  static constexpr std::size_t kMost = 1024;
  struct {
    std::size_t made;
    char names[kMost][96];
  } of[2];
};

// One call of one of them fails, or claims success and does nothing.
class FaultyKernelOfTwo final : public sys::InterceptingKernel {
 public:
  struct Fault {
    Who who = parent;
    std::size_t number = 0;  // 0: none
    Verdict verdict;
  };
  FaultyKernelOfTwo(sys::Kernel& inner, Calls& calls, Fault fault)
      : InterceptingKernel(inner), calls_(calls), fault_(fault) {
    calls_ = {};
  }
  Verdict decide(std::string_view call, const std::string& arguments) override {
    const Who who = ::getpid() == parent_ ? parent : init;
    const std::size_t number = ++calls_.of[who].made;
    if (number < Calls::kMost)
      std::snprintf(calls_.of[who].names[number], sizeof *calls_.of[who].names,
                    "%s call %zu: %s %s", who == parent ? "parent" : "init", number,
                    std::string(call).c_str(), arguments.c_str());
    return who == fault_.who && number == fault_.number ? fault_.verdict : Verdict{};
  }

 private:
  Calls& calls_;
  const Fault fault_;
  const pid_t parent_ = ::getpid();
};

}  // namespace casemate
