#include "policy/seccomp_bound.h"

#include <algorithm>
#include <cerrno>

#include "policy/match.h"
#include "tests/unit/policy/fixture.h"

namespace casemate::policy {
namespace {

// What the filter answers: 0 for allow, else the errno. A rule matches when all its args do.
int verdict(const oci::Seccomp& filter, const std::string& name,
            std::initializer_list<std::uint64_t> args = {}) {
  for (const auto& rule : filter.syscalls) {
    if (!contains(rule.names, name)) continue;
    const bool matches = std::ranges::all_of(rule.args, [&](const oci::SeccompArg& arg) {
      return arg.index < args.size() && (*(args.begin() + arg.index) & arg.value) == arg.value_two;
    });
    if (matches) return static_cast<int>(rule.errno_ret.value_or(EPERM));
  }
  return 0;
}

class Shipped : public testing::TestWithParam<const char*> {
 protected:
  oci::Seccomp filter() { return seccomp_bound(profile_of(profile_json(GetParam())).seccomp); }
};

TEST_P(Shipped, RefusesWhatReachesTheHostsKernel) {
  const auto f = filter();
  EXPECT_EQ(f.default_action, "SCMP_ACT_ALLOW");
  EXPECT_EQ(f.architectures.size(), 1U);
  for (const char* name : {"bpf", "perf_event_open", "kexec_load", "init_module", "userfaultfd",
                           "keyctl", "open_by_handle_at", "mount", "fsopen", "setns"})
    EXPECT_EQ(verdict(f, name), EPERM) << name;
  for (const char* name : {"io_uring_setup", "clone3"}) EXPECT_EQ(verdict(f, name), ENOSYS) << name;
}

TEST_P(Shipped, ComparesOnlyTheBitsTheKernelReads) {
  const auto f = filter();
  const std::uint64_t high = std::uint64_t{1} << 32;
  for (const std::uint64_t family : {38U, 40U, 17U}) {
    EXPECT_EQ(verdict(f, "socket", {family, 1, 0}), EPERM) << family;
    EXPECT_EQ(verdict(f, "socket", {family | high, 1, 0}), EPERM) << family;
  }
  for (const std::uint64_t family : {1U, 2U, 10U, 16U})
    EXPECT_EQ(verdict(f, "socket", {family, 1, 0}), 0) << family;
  EXPECT_EQ(verdict(f, "ioctl", {0, 0x5412, 0}), EPERM);
  EXPECT_EQ(verdict(f, "ioctl", {0, 0x5412 | high, 0}), EPERM);
  EXPECT_EQ(verdict(f, "ioctl", {0, 0x541c, 0}), EPERM);
  EXPECT_EQ(verdict(f, "ioctl", {0, 0x5413, 0}), 0);
  EXPECT_EQ(verdict(f, "clone", {0x10000011, 0}), EPERM);
  EXPECT_EQ(verdict(f, "clone", {0x01200011, 0}), 0);
  EXPECT_EQ(verdict(f, "unshare", {0x10000000}), EPERM);
  EXPECT_EQ(verdict(f, "unshare", {0x00020000}), 0);
}

TEST_P(Shipped, LeavesWhatEveryProgramNeeds) {
  const auto f = filter();
  for (const char* name : {"read", "write", "execve", "execveat", "exit_group", "close", "capset",
                           "prctl", "setresuid", "setresgid", "seccomp", "mmap", "ptrace", "mbind"})
    EXPECT_EQ(verdict(f, name, {0, 0, 0}), 0) << name;
}

TEST_P(Shipped, NamesAreKnownAndNoneIsListedTwice) {
  std::vector<std::string> seen;
  for (const auto& rule : filter().syscalls)
    for (const auto& name : rule.names) {
      EXPECT_TRUE(is_known_syscall(name)) << name;
      if (rule.args.empty()) {
        EXPECT_FALSE(contains(seen, name)) << name;
        seen.push_back(name);
      }
    }
}

INSTANTIATE_TEST_SUITE_P(All, Shipped, testing::Values("baseline", "restricted", "lab"));

TEST(SeccompBound, EmptyRulesDenyNothing) {
  SeccompRules rules;
  rules.block_terminal_injection = rules.block_user_namespaces = false;
  EXPECT_TRUE(seccomp_bound(rules).syscalls.empty());
}

}  // namespace
}  // namespace casemate::policy
