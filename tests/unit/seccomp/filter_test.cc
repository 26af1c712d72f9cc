// What compiled filters answer, call by call.
#include "shim/seccomp/filter.h"

#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

#include <cerrno>

#include "shim/seccomp/evaluate.h"
#include "tests/unit/seccomp/profiles.h"

namespace casemate::seccomp {
namespace {

constexpr std::uint32_t kX32Bit = 0x40000000;

std::uint32_t ask(const std::vector<sock_filter>& program, const seccomp_data& data) {
  const auto answer = evaluate(program, data);
  EXPECT_TRUE(answer) << answer.error().message();
  return answer.value_or(0xdeadbeef);
}
std::uint32_t ask(const std::vector<sock_filter>& program, long number,
                  const std::array<std::uint64_t, 6>& args = {}) {
  return ask(program, native_call(number, args));
}

std::vector<sock_filter> compiled(const oci::Seccomp& asked, const Options& options = {}) {
  auto program = compile(asked, options);
  EXPECT_TRUE(program) << program.error().message();
  return program ? *program : std::vector<sock_filter>{};
}

std::string rule_of(const oci::Seccomp& asked) {
  const auto program = compile(asked);
  return program ? "compiled" : program.error().rule;
}

constexpr std::uint32_t kErrno = SECCOMP_RET_ERRNO;

TEST(SeccompFilter, EachAction) {
  const struct {
    const char* name;
    std::optional<std::uint32_t> errno_ret;
    std::uint32_t answer;
  } cases[] = {
      {"SCMP_ACT_KILL", {}, SECCOMP_RET_KILL_THREAD},
      {"SCMP_ACT_KILL_THREAD", {}, SECCOMP_RET_KILL_THREAD},
      {"SCMP_ACT_KILL_PROCESS", {}, SECCOMP_RET_KILL_PROCESS},
      {"SCMP_ACT_TRAP", {}, SECCOMP_RET_TRAP},
      {"SCMP_ACT_ERRNO", {}, kErrno | EPERM},
      {"SCMP_ACT_ERRNO", 38, kErrno | 38},
      {"SCMP_ACT_TRACE", 7, SECCOMP_RET_TRACE | 7},
      {"SCMP_ACT_LOG", {}, SECCOMP_RET_LOG},
  };
  for (const auto& one : cases) {
    oci::Seccomp asked;
    asked.default_action = "SCMP_ACT_ALLOW";
    asked.syscalls = {{.names = {"ptrace"}, .action = one.name, .errno_ret = one.errno_ret}};
    const auto program = compiled(asked);
    EXPECT_EQ(ask(program, SYS_ptrace), one.answer) << one.name;
    EXPECT_EQ(ask(program, SYS_read), SECCOMP_RET_ALLOW) << one.name;
  }
}

TEST(SeccompFilter, EachOperator) {
  constexpr std::uint64_t big = 0x1'0000'0005;
  const struct {
    const char* op;
    std::uint64_t value, value_two;
    std::vector<std::uint64_t> match, miss;
  } cases[] = {
      {"SCMP_CMP_EQ", big, 0, {big}, {5, 0, big + 1}},
      {"SCMP_CMP_NE", big, 0, {5, 0}, {big}},
      {"SCMP_CMP_LT", big, 0, {0, 5, big - 1}, {big, big + 1, ~0ull}},
      {"SCMP_CMP_LE", big, 0, {0, big}, {big + 1, ~0ull}},
      {"SCMP_CMP_GT", big, 0, {big + 1, ~0ull}, {big, 0, 6}},
      {"SCMP_CMP_GE", big, 0, {big, ~0ull}, {big - 1, 0}},
      {"SCMP_CMP_MASKED_EQ", 0x7E020000, 0, {0, 0x11}, {0x10000000, 0x02000000}},
      {"SCMP_CMP_MASKED_EQ", 0xf0, 0x20, {0x20, 0x2f}, {0x30, 0}},
  };
  for (const auto& one : cases) {
    oci::Seccomp asked;
    asked.default_action = "SCMP_ACT_ERRNO";
    asked.syscalls = {
        {.names = {"clone"},
         .action = "SCMP_ACT_ALLOW",
         .args = {{.index = 2, .value = one.value, .value_two = one.value_two, .op = one.op}}}};
    const auto program = compiled(asked);
    for (const auto value : one.match) {
      EXPECT_EQ(ask(program, SYS_clone, {0, 0, value}), SECCOMP_RET_ALLOW) << one.op << value;
    }
    for (const auto value : one.miss) {
      EXPECT_EQ(ask(program, SYS_clone, {0, 0, value}), kErrno | EPERM) << one.op << value;
    }
  }
}

TEST(SeccompFilter, ArgumentsTogetherAndTwiceTheSame) {
  oci::Seccomp asked;
  asked.default_action = "SCMP_ACT_ERRNO";
  asked.syscalls = {{.names = {"socket"},
                     .action = "SCMP_ACT_ALLOW",
                     .args = {{.index = 0, .value = 1, .op = "SCMP_CMP_EQ"},
                              {.index = 1, .value = 2, .op = "SCMP_CMP_EQ"}}},
                    {.names = {"personality"},
                     .action = "SCMP_ACT_ALLOW",
                     .args = {{.index = 0, .value = 0, .op = "SCMP_CMP_EQ"},
                              {.index = 0, .value = 8, .op = "SCMP_CMP_EQ"}}}};
  const auto program = compiled(asked);
  EXPECT_EQ(ask(program, SYS_socket, {1, 2}), SECCOMP_RET_ALLOW);
  EXPECT_EQ(ask(program, SYS_socket, {1, 3}), kErrno | EPERM);
  EXPECT_EQ(ask(program, SYS_socket, {2, 2}), kErrno | EPERM);
  EXPECT_EQ(ask(program, SYS_personality, {0}), SECCOMP_RET_ALLOW);
  EXPECT_EQ(ask(program, SYS_personality, {8}), SECCOMP_RET_ALLOW);
  EXPECT_EQ(ask(program, SYS_personality, {4}), kErrno | EPERM);
}

TEST(SeccompFilter, EngineProfile) {
  const oci::Seccomp asked = engine_profile();
  const auto program = compiled(asked);
  for (const std::string& name : asked.syscalls.front().names) {
    const long number = native_number(name);
    if (number < 0) continue;
    EXPECT_EQ(ask(program, number), SECCOMP_RET_ALLOW) << name;
  }
  EXPECT_EQ(ask(program, SYS_personality, {0x20008}), SECCOMP_RET_ALLOW);
  EXPECT_EQ(ask(program, SYS_personality, {0x40000}), kErrno | EPERM);
  EXPECT_EQ(ask(program, SYS_clone, {0x11}), SECCOMP_RET_ALLOW);
  EXPECT_EQ(ask(program, SYS_clone, {0x10000000}), kErrno | EPERM) << "CLONE_NEWUSER";
  EXPECT_EQ(ask(program, SYS_clone3), kErrno | ENOSYS);
  EXPECT_EQ(ask(program, SYS_mount), kErrno | EPERM);
  EXPECT_EQ(ask(program, SYS_ptrace), kErrno | EPERM);
}

TEST(SeccompFilter, NewerCallsGetEnosys) {
  const auto program = compiled(engine_profile());  // knows calls up to faccessat2 (439)
  EXPECT_EQ(ask(program, 439), SECCOMP_RET_ALLOW);
  EXPECT_EQ(ask(program, 440), kErrno | ENOSYS);
  EXPECT_EQ(ask(program, 5000), kErrno | ENOSYS);
  EXPECT_EQ(ask(program, 438), kErrno | EPERM) << "known to the profile's time, not listed";

  oci::Seccomp plain = engine_profile();
  plain.default_errno_ret = ENOSYS;
  EXPECT_EQ(ask(compiled(plain), 5000), kErrno | ENOSYS);
  plain.default_action = "SCMP_ACT_KILL_PROCESS";
  plain.default_errno_ret.reset();
  EXPECT_EQ(ask(compiled(plain), 5000), SECCOMP_RET_KILL_PROCESS);
}

#if defined(__x86_64__)
TEST(SeccompFilter, OtherConventionsAsAsked) {
  oci::Seccomp asked = engine_profile();  // x86-64, x86 and x32
  const auto open = compiled(asked);
  seccomp_data i386 = native_call(3);  // read
  i386.arch = AUDIT_ARCH_I386;
  EXPECT_EQ(ask(open, i386), SECCOMP_RET_ALLOW);
  i386.nr = 21;  // mount
  EXPECT_EQ(ask(open, i386), kErrno | EPERM);
  i386.nr = 600;
  EXPECT_EQ(ask(open, i386), kErrno | ENOSYS);
  EXPECT_EQ(ask(open, SYS_read | kX32Bit), SECCOMP_RET_ALLOW);
  EXPECT_EQ(ask(open, SYS_mount | kX32Bit), kErrno | EPERM);
  EXPECT_EQ(ask(open, 700 | kX32Bit), kErrno | ENOSYS);
  seccomp_data arm = native_call(0);
  arm.arch = AUDIT_ARCH_AARCH64;
  EXPECT_EQ(ask(open, arm), SECCOMP_RET_KILL_PROCESS);

  asked.architectures.clear();
  const auto native = compiled(asked);
  i386.nr = 3;
  EXPECT_EQ(ask(native, i386), SECCOMP_RET_KILL_PROCESS);
}

TEST(SeccompFilter, NativeOnlyKillsForeignCalls) {
  const auto program = compiled(engine_profile(), {.native_only = true});
  EXPECT_EQ(ask(program, SYS_read), SECCOMP_RET_ALLOW);
  seccomp_data i386 = native_call(3);
  i386.arch = AUDIT_ARCH_I386;
  EXPECT_EQ(ask(program, i386), SECCOMP_RET_KILL_PROCESS);
  EXPECT_EQ(ask(program, SYS_read | kX32Bit), SECCOMP_RET_KILL_PROCESS);
}
#endif

TEST(SeccompFilter, UnknownNamesAndDefaultRulesAreSkipped) {
  oci::Seccomp asked;
  asked.default_action = "SCMP_ACT_ERRNO";
  asked.syscalls = {{.names = {"read", "no_such_call"}, .action = "SCMP_ACT_ALLOW"},
                    {.names = {"mount"}, .action = "SCMP_ACT_ERRNO"}};
  const auto program = compiled(asked);
  EXPECT_EQ(ask(program, SYS_read), SECCOMP_RET_ALLOW);
  EXPECT_EQ(ask(program, SYS_mount), kErrno | EPERM);
}

// What an administrator names is in the filter, whatever libseccomp knows of it.
TEST(SeccompFilter, OurOwnFiltersKnowEveryName) {
  constexpr long kMseal = 462;  // Linux 6.10
  oci::Seccomp ours;
  ours.default_action = "SCMP_ACT_ALLOW";
  ours.syscalls = {{.names = {"mseal"}, .action = "SCMP_ACT_ERRNO"}};
  EXPECT_EQ(ask(compiled(ours, {.native_only = true}), kMseal), kErrno | EPERM);
  ours.syscalls[0].names = {"no_such_call"};
  const auto refused = compile(ours, {.native_only = true});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().rule, "seccomp.unknown-call");
}

TEST(SeccompFilter, Refusals) {
  const oci::Seccomp good = engine_profile();
  auto bad = good;
  bad.default_action = "SCMP_ACT_MAYBE";
  EXPECT_EQ(rule_of(bad), "seccomp.action");
  bad = good;
  bad.syscalls[0].action = "SCMP_ACT_NOTIFY";
  EXPECT_EQ(rule_of(bad), "seccomp.notify");
  bad = good;
  bad.listener_path = "/run/listener";
  EXPECT_EQ(rule_of(bad), "seccomp.notify");
  bad = good;
  bad.syscalls[0].errno_ret = 5;
  EXPECT_EQ(rule_of(bad), "seccomp.errno") << "allow takes no errno";
  bad = good;
  bad.default_errno_ret = 4096;
  EXPECT_EQ(rule_of(bad), "seccomp.errno");
  bad = good;
  bad.architectures.push_back("SCMP_ARCH_PDP11");
  EXPECT_EQ(rule_of(bad), "seccomp.architecture");
  bad = good;
  bad.syscalls[0].args = {{.index = 6, .op = "SCMP_CMP_EQ"}};
  EXPECT_EQ(rule_of(bad), "seccomp.argument");
  bad.syscalls[0].args = {{.index = 0, .op = "SCMP_CMP_ALMOST"}};
  EXPECT_EQ(rule_of(bad), "seccomp.operator");
}

TEST(SeccompFilter, TooLargeIsRefused) {
  oci::Seccomp asked;
  asked.default_action = "SCMP_ACT_ERRNO";
  for (std::uint64_t value = 0; value < 2000; ++value) {
    asked.syscalls.push_back({.names = {"ioctl"},
                              .action = "SCMP_ACT_ALLOW",
                              .args = {{.index = 1, .value = value * 3, .op = "SCMP_CMP_EQ"},
                                       {.index = 2, .value = value, .op = "SCMP_CMP_NE"}}});
  }
  EXPECT_EQ(rule_of(asked), "seccomp.too-large");
}

TEST(SeccompFilter, Flags) {
  oci::Seccomp asked;
  EXPECT_EQ(load_flags(asked).value(), 0u);
  asked.flags = {"SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG",
                 "SECCOMP_FILTER_FLAG_SPEC_ALLOW"};
  EXPECT_EQ(load_flags(asked).value(),
            static_cast<unsigned>(SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_LOG |
                                  SECCOMP_FILTER_FLAG_SPEC_ALLOW));
  asked.flags = {"SECCOMP_FILTER_FLAG_NEW_LISTENER"};
  EXPECT_EQ(load_flags(asked).error().rule, "seccomp.flag");
}

}  // namespace
}  // namespace casemate::seccomp
