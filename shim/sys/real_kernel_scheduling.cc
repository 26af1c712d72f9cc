// When and where a thread runs. The C library of the oldest host has no wrappers for most of these.
#include <linux/ioprio.h>
#include <sys/personality.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <climits>

#include "shim/sys/real_kernel.h"
#include "shim/sys/syscall.h"

namespace casemate::sys {
namespace {

constexpr std::size_t kWordBits = sizeof(unsigned long) * CHAR_BIT;
constexpr std::size_t kMaxCpus = 8192;   // the highest CONFIG_NR_CPUS
constexpr std::size_t kMaxNodes = 1024;  // the highest MAX_NUMNODES

// struct sched_attr of Linux 3.14; <linux/sched/types.h> does not go with the C library's
// <sched.h>.
struct SchedAttributes {
  std::uint32_t size = sizeof(SchedAttributes);
  std::uint32_t policy = 0;
  std::uint64_t flags = 0;
  std::int32_t nice = 0;
  std::uint32_t priority = 0;
  std::uint64_t runtime = 0, deadline = 0, period = 0;
};
static_assert(sizeof(SchedAttributes) == 48);

// A set of numbers as the kernel takes it.
template <std::size_t kEnd>
struct Bits {
  std::array<unsigned long, kEnd / kWordBits> words{};

  static bool fits(const std::vector<std::uint32_t>& numbers) {
    for (const std::uint32_t one : numbers)
      if (one >= kEnd) return false;
    return true;
  }
  // Precondition: fits().
  static Bits of(const std::vector<std::uint32_t>& numbers) {
    Bits bits;
    for (const std::uint32_t one : numbers) bits.words[one / kWordBits] |= 1UL << one % kWordBits;
    return bits;
  }
  std::vector<std::uint32_t> numbers() const {
    std::vector<std::uint32_t> out;
    for (std::uint32_t one = 0; one < kEnd; ++one)
      if ((words[one / kWordBits] >> one % kWordBits & 1) != 0) out.push_back(one);
    return out;
  }
};

}  // namespace

Status RealKernel::sched_setattr(const Scheduling& wanted) {
  const SchedAttributes raw{.policy = wanted.policy,
                            .flags = wanted.flags,
                            .nice = wanted.nice,
                            .priority = wanted.priority,
                            .runtime = wanted.runtime,
                            .deadline = wanted.deadline,
                            .period = wanted.period};
  return checked(::syscall(SYS_sched_setattr, 0, &raw, 0), "sched_setattr");
}

Result<Scheduling> RealKernel::sched_getattr(pid_t pid) {
  SchedAttributes raw;
  TRY(checked(::syscall(SYS_sched_getattr, pid, &raw, sizeof raw, 0), "sched_getattr"));
  return Scheduling{.policy = raw.policy,
                    .flags = raw.flags,
                    .nice = raw.nice,
                    .priority = raw.priority,
                    .runtime = raw.runtime,
                    .deadline = raw.deadline,
                    .period = raw.period};
}

Status RealKernel::sched_setaffinity(const std::vector<std::uint32_t>& cpus) {
  if (!Bits<kMaxCpus>::fits(cpus)) return sys_error("sched_setaffinity", EINVAL);
  const auto bits = Bits<kMaxCpus>::of(cpus);
  return checked(::syscall(SYS_sched_setaffinity, 0, sizeof bits.words, bits.words.data()),
                 "sched_setaffinity");
}

Result<std::vector<std::uint32_t>> RealKernel::sched_getaffinity(pid_t pid) {
  Bits<kMaxCpus> bits;
  TRY(checked(::syscall(SYS_sched_getaffinity, pid, sizeof bits.words, bits.words.data()),
              "sched_getaffinity"));
  return bits.numbers();
}

Status RealKernel::ioprio_set(int priority) {
  return checked(::syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, priority), "ioprio_set");
}

Result<int> RealKernel::ioprio_get(pid_t pid) {
  const long priority = ::syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, pid);
  TRY(checked(priority, "ioprio_get"));
  return static_cast<int>(priority);
}

// The kernel counts one bit less than it is told.
Status RealKernel::set_mempolicy(const MemoryPolicy& wanted) {
  if (!Bits<kMaxNodes>::fits(wanted.nodes)) return sys_error("set_mempolicy", EINVAL);
  const auto bits = Bits<kMaxNodes>::of(wanted.nodes);
  const unsigned long* mask = wanted.nodes.empty() ? nullptr : bits.words.data();
  const unsigned long size = mask == nullptr ? 0 : kMaxNodes + 1;
  return checked(::syscall(SYS_set_mempolicy, wanted.mode, mask, size), "set_mempolicy");
}

Result<MemoryPolicy> RealKernel::get_mempolicy() {
  MemoryPolicy found;
  Bits<kMaxNodes> bits;
  TRY(checked(::syscall(SYS_get_mempolicy, &found.mode, bits.words.data(), kMaxNodes, nullptr, 0UL),
              "get_mempolicy"));
  found.nodes = bits.numbers();
  return found;
}

Status RealKernel::personality(unsigned long persona) {
  return checked(::personality(persona), "personality");
}

}  // namespace casemate::sys
