// The part of a program that answers ENOSYS to system calls newer than the profile. A profile that
// denies by default was written against some kernel; EPERM for a call that it never heard of breaks
// programs that would fall back to an older call on ENOSYS (glibc and clone3, faccessat2, …).
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <span>
#include <vector>

namespace casemate::seccomp {

// The newest system call that a profile names for one calling convention.
struct Newest {
  std::uint32_t architecture = 0;  // libseccomp's token; x32 is one of its own
  std::uint32_t number = 0;
};

// Instructions to stand before a filter; every path that does not return goes on behind them.
std::vector<sock_filter> enosys_stub(std::span<const Newest> newest);

}  // namespace casemate::seccomp
