// The architecture this program is built for, as seccomp_data names it.
#pragma once

#include <linux/audit.h>

#include <cstdint>

namespace casemate::seccomp {

#if defined(__x86_64__)
inline constexpr std::uint32_t kNativeAuditArch = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
inline constexpr std::uint32_t kNativeAuditArch = AUDIT_ARCH_AARCH64;
#else
#error "casemate knows the system calls of x86-64 and aarch64"
#endif

}  // namespace casemate::seccomp
