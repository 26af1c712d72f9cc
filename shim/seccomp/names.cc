#include "shim/seccomp/names.h"

#include <algorithm>
#include <cerrno>
#include <span>
#include <utility>

namespace casemate::seccomp {
namespace {

constexpr std::uint32_t kMaxErrno = 4095;  // what the kernel can return to a process

template <class Value>
using Name = std::pair<std::string_view, Value>;

constexpr Name<std::uint32_t> kActions[] = {
    {"SCMP_ACT_ALLOW", SCMP_ACT_ALLOW},
    {"SCMP_ACT_ERRNO", SCMP_ACT_ERRNO(0)},
    {"SCMP_ACT_KILL", SCMP_ACT_KILL},
    {"SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS},
    {"SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD},
    {"SCMP_ACT_LOG", SCMP_ACT_LOG},
    {"SCMP_ACT_TRACE", SCMP_ACT_TRACE(0)},
    {"SCMP_ACT_TRAP", SCMP_ACT_TRAP},
};

constexpr Name<scmp_compare> kOperators[] = {
    {"SCMP_CMP_EQ", SCMP_CMP_EQ}, {"SCMP_CMP_GE", SCMP_CMP_GE},
    {"SCMP_CMP_GT", SCMP_CMP_GT}, {"SCMP_CMP_LE", SCMP_CMP_LE},
    {"SCMP_CMP_LT", SCMP_CMP_LT}, {"SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ},
    {"SCMP_CMP_NE", SCMP_CMP_NE},
};

constexpr Name<std::uint32_t> kArchitectures[] = {
    {"SCMP_ARCH_AARCH64", SCMP_ARCH_AARCH64},
    {"SCMP_ARCH_ARM", SCMP_ARCH_ARM},
    {"SCMP_ARCH_MIPS", SCMP_ARCH_MIPS},
    {"SCMP_ARCH_MIPS64", SCMP_ARCH_MIPS64},
    {"SCMP_ARCH_MIPS64N32", SCMP_ARCH_MIPS64N32},
    {"SCMP_ARCH_MIPSEL", SCMP_ARCH_MIPSEL},
    {"SCMP_ARCH_MIPSEL64", SCMP_ARCH_MIPSEL64},
    {"SCMP_ARCH_MIPSEL64N32", SCMP_ARCH_MIPSEL64N32},
    {"SCMP_ARCH_PARISC", SCMP_ARCH_PARISC},
    {"SCMP_ARCH_PARISC64", SCMP_ARCH_PARISC64},
    {"SCMP_ARCH_PPC", SCMP_ARCH_PPC},
    {"SCMP_ARCH_PPC64", SCMP_ARCH_PPC64},
    {"SCMP_ARCH_PPC64LE", SCMP_ARCH_PPC64LE},
    {"SCMP_ARCH_RISCV64", SCMP_ARCH_RISCV64},
    {"SCMP_ARCH_S390", SCMP_ARCH_S390},
    {"SCMP_ARCH_S390X", SCMP_ARCH_S390X},
    {"SCMP_ARCH_X32", SCMP_ARCH_X32},
    {"SCMP_ARCH_X86", SCMP_ARCH_X86},
    {"SCMP_ARCH_X86_64", SCMP_ARCH_X86_64},
};

template <class Value>
const Value* look_up(std::span<const Name<Value>> names, std::string_view name) {
  const auto found = std::ranges::find(names, name, &Name<Value>::first);
  return found == names.end() ? nullptr : &found->second;
}

}  // namespace

Result<std::uint32_t> parse_action(std::string_view name, std::optional<std::uint32_t> errno_ret,
                                   const std::string& pointer) {
  if (name == "SCMP_ACT_NOTIFY") {
    return unsupported("seccomp.notify", "seccomp action SCMP_ACT_NOTIFY",
                       "casemate hands no system call to another process to decide", pointer);
  }
  const std::uint32_t* action = look_up<std::uint32_t>(kActions, name);
  if (action == nullptr) {
    return bad_input("seccomp.action", "unknown seccomp action \"" + std::string(name) + "\"",
                     "use an SCMP_ACT_ name of the runtime specification", pointer);
  }
  const bool has_data = *action == SCMP_ACT_ERRNO(0) || *action == SCMP_ACT_TRACE(0);
  if (!has_data) {
    if (!errno_ret) return *action;
    return bad_input("seccomp.errno", "an errno for " + std::string(name),
                     "only SCMP_ACT_ERRNO and SCMP_ACT_TRACE take one", pointer);
  }
  const std::uint32_t value = errno_ret.value_or(EPERM);
  if (value > kMaxErrno) {
    return bad_input("seccomp.errno", "errno " + std::to_string(value), "at most 4095", pointer);
  }
  return *action | value;
}

Result<scmp_compare> parse_operator(std::string_view name, const std::string& pointer) {
  if (const auto* found = look_up<scmp_compare>(kOperators, name)) return *found;
  return bad_input("seccomp.operator", "unknown seccomp operator \"" + std::string(name) + "\"",
                   "use an SCMP_CMP_ name of the runtime specification", pointer);
}

Result<std::uint32_t> parse_architecture(std::string_view name, const std::string& pointer) {
  if (const auto* found = look_up<std::uint32_t>(kArchitectures, name)) return *found;
  return bad_input("seccomp.architecture",
                   "unknown seccomp architecture \"" + std::string(name) + "\"",
                   "use an SCMP_ARCH_ name of the runtime specification", pointer);
}

}  // namespace casemate::seccomp
