// What a seccomp program would answer: an interpreter of classic BPF over seccomp_data. Pure.
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "shim/base/result.h"

namespace casemate::seccomp {

// The kernel's conditions (net/core/filter.c, kernel/seccomp.c): known instructions only, forward
// jumps inside the program, aligned loads inside seccomp_data, a return at the end. The kernel also
// refuses loads of scratch memory that was never stored; here they read 0.
// bad_input "seccomp.program".
Status validate(std::span<const sock_filter> program);

// The SECCOMP_RET_… value with its data. `program` is validated first.
Result<std::uint32_t> evaluate(std::span<const sock_filter> program, const seccomp_data& data);

// A system call of this program's architecture. Pointers that are not known yet may be 0: filters
// cannot look behind them.
seccomp_data native_call(long number, const std::array<std::uint64_t, 6>& arguments = {});

// A call that init makes after its filter is in force.
struct InitCall {
  std::string name;
  long number = 0;
  std::array<std::uint64_t, 6> arguments{};
};
// unsupported "seccomp.init-calls", naming every call that would not be let through (anything but
// ALLOW and LOG): the container could not be started under this filter.
Status check_init_calls(std::span<const sock_filter> program, std::span<const InitCall> calls);

}  // namespace casemate::seccomp
