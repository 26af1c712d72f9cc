#include "shim/seccomp/enosys.h"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <optional>

namespace casemate::seccomp {
namespace {

constexpr std::uint32_t kX32Bit = 0x40000000;  // in the number of an x32 call

sock_filter statement(unsigned code, std::uint32_t k) {
  return {.code = static_cast<std::uint16_t>(code), .jt = 0, .jf = 0, .k = k};
}
sock_filter branch(unsigned op, std::uint32_t k, std::size_t jt, std::size_t jf) {
  return {.code = static_cast<std::uint16_t>(BPF_JMP | op | BPF_K),
          .jt = static_cast<std::uint8_t>(jt),
          .jf = static_cast<std::uint8_t>(jf),
          .k = k};
}

// With the number in A: ENOSYS above `newest`, else the end of this list.
void append_limit(std::vector<sock_filter>& out, std::uint32_t newest) {
  out.push_back(branch(BPF_JGT, newest, 0, 1));
  out.push_back(statement(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS));
}

// One audit architecture; x32 shares that of x86-64 and differs by a bit of the number.
std::vector<sock_filter> block(std::uint32_t audit_arch, std::optional<std::uint32_t> newest,
                               std::optional<std::uint32_t> newest_x32) {
  std::vector<sock_filter> body;
  body.push_back(statement(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)));
  if (audit_arch == AUDIT_ARCH_X86_64) {
    std::vector<sock_filter> x32;
    if (newest_x32) append_limit(x32, *newest_x32);
    x32.push_back(statement(BPF_JMP | BPF_JA, newest ? 2 : 0));
    body.push_back(branch(BPF_JSET, kX32Bit, 0, x32.size()));
    body.insert(body.end(), x32.begin(), x32.end());
  }
  if (newest) append_limit(body, *newest);
  body.insert(body.begin(), branch(BPF_JEQ, audit_arch, 0, body.size()));
  body.insert(body.begin(), statement(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)));
  return body;
}

}  // namespace

std::vector<sock_filter> enosys_stub(std::span<const Newest> newest) {
  const auto number_of = [&](std::uint32_t token) -> std::optional<std::uint32_t> {
    const auto found = std::ranges::find(newest, token, &Newest::architecture);
    if (found == newest.end()) return std::nullopt;
    return found->number;
  };
  std::vector<sock_filter> stub;
  for (const Newest& one : newest) {
    const bool is_x32 = one.architecture == SCMP_ARCH_X32;
    if (is_x32 && number_of(SCMP_ARCH_X86_64)) continue;  // in the block of x86-64
    const std::uint32_t audit_arch = is_x32 ? SCMP_ARCH_X86_64 : one.architecture;
    const auto part =
        block(audit_arch, number_of(audit_arch),
              audit_arch == AUDIT_ARCH_X86_64 ? number_of(SCMP_ARCH_X32) : std::nullopt);
    stub.insert(stub.end(), part.begin(), part.end());
  }
  return stub;
}

}  // namespace casemate::seccomp
