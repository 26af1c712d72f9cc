#include "shim/seccomp/evaluate.h"

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <random>

#include "shim/seccomp/filter.h"
#include "tests/unit/seccomp/profiles.h"

namespace casemate::seccomp {
namespace {

using Program = std::vector<sock_filter>;

std::string rule_of(const Program& program) {
  const auto status = validate(program);
  return status ? "valid" : status.error().rule;
}

TEST(SeccompEvaluate, Arithmetic) {
  const Program program = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 16),  // low word of the first argument
      BPF_STMT(BPF_ST, 3),
      BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, 10),
      BPF_STMT(BPF_LDX | BPF_MEM, 3),
      BPF_STMT(BPF_ALU | BPF_DIV | BPF_X, 0),  // division by zero answers 0
      BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 4),
      BPF_STMT(BPF_ALU | BPF_XOR | BPF_K, 1),
      BPF_STMT(BPF_RET | BPF_A, 0),
  };
  EXPECT_EQ(evaluate(program, native_call(0, {7})).value(), (10u << 4) ^ 1u);
  EXPECT_EQ(evaluate(program, native_call(0, {0})).value(), 0u);
}

TEST(SeccompEvaluate, RefusesWhatTheKernelRefuses) {
  const sock_filter end = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  EXPECT_EQ(rule_of({}), "seccomp.program");
  EXPECT_EQ(rule_of(Program(5000, end)), "seccomp.program");
  EXPECT_EQ(rule_of({BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 64), end}), "seccomp.program");
  EXPECT_EQ(rule_of({BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 2), end}), "seccomp.program");
  EXPECT_EQ(rule_of({BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 0), end}), "seccomp.program");
  EXPECT_EQ(rule_of({BPF_STMT(BPF_JMP | BPF_JA, 1), end}), "seccomp.program");
  EXPECT_EQ(rule_of({BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1), end}), "seccomp.program");
  EXPECT_EQ(rule_of({BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0), end}), "seccomp.program");
  EXPECT_EQ(rule_of({BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 32), end}), "seccomp.program");
  EXPECT_EQ(rule_of({BPF_STMT(BPF_ST, 16), end}), "seccomp.program");
  EXPECT_EQ(rule_of({BPF_STMT(BPF_LD | BPF_IMM, 1)}), "seccomp.program") << "no return";
  EXPECT_EQ(rule_of({end}), "valid");
}

TEST(SeccompEvaluate, RandomProgramsNeverCrash) {
  std::mt19937 random(20240607);
  // Codes that are often valid, and any others.
  constexpr std::uint16_t kCodes[] = {0x20, 0x80, 0x00, 0x01, 0x60, 0x61, 0x02, 0x03, 0x04,
                                      0x0c, 0x34, 0x3c, 0x64, 0x6c, 0x05, 0x15, 0x1d, 0x25,
                                      0x35, 0x45, 0x06, 0x16, 0x07, 0x87, 0x84};
  unsigned valid = 0;
  for (int round = 0; round < 20000; ++round) {
    Program program(1 + random() % 12);
    for (sock_filter& one : program) {
      one.code = random() % 16 == 0 ? static_cast<std::uint16_t>(random())
                                    : kCodes[random() % std::size(kCodes)];
      one.jt = static_cast<std::uint8_t>(random() % 4);
      one.jf = static_cast<std::uint8_t>(random() % 4);
      one.k = random() % 4 == 0 ? static_cast<std::uint32_t>(random()) : random() % 16 * 4;
    }
    if (random() % 2) program.back() = BPF_STMT(BPF_RET | BPF_A, 0);
    const auto answer =
        evaluate(program, native_call(static_cast<long>(random() % 500), {random(), random()}));
    if (answer) {
      ++valid;
    } else {
      EXPECT_EQ(answer.error().rule, "seccomp.program");
    }
  }
  EXPECT_GT(valid, 100u);
}

TEST(SeccompEvaluate, AgreesWithTheKernel) {
  // The kernel runs the same program: a forked child installs it and calls.
  const auto program = compile(engine_profile());
  ASSERT_TRUE(program) << program.error().message();
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const sock_fprog filter{static_cast<unsigned short>(program->size()),
                            const_cast<sock_filter*>(program->data())};
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) ::_exit(100);
    if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) != 0) ::_exit(101);
    if (::syscall(SYS_getuid) != -1 || errno != EPERM) ::_exit(102);
    if (::syscall(SYS_clone3, 0, 0) != -1 || errno != ENOSYS) ::_exit(103);
    if (::syscall(460, 0, 0) != -1 || errno != ENOSYS) ::_exit(104);
    if (::syscall(SYS_personality, 0x40000) != -1 || errno != EPERM) ::_exit(105);
    if (::syscall(SYS_personality, 0xffffffff) == -1) ::_exit(106);
    ::_exit(::syscall(SYS_getpid) > 0 ? 0 : 107);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(SeccompInitCalls, NamesWhatIsForbidden) {
  const InitCall calls[] = {{"execveat", SYS_execveat},
                            {"capset", SYS_capset},
                            {"prctl", SYS_prctl},
                            {"recvmsg", SYS_recvmsg}};
  auto program = compile(engine_profile());
  ASSERT_TRUE(program);
  EXPECT_TRUE(check_init_calls(*program, calls));

  oci::Seccomp narrow = engine_profile();
  std::erase(narrow.syscalls[0].names, "capset");
  std::erase(narrow.syscalls[0].names, "execveat");
  program = compile(narrow);
  ASSERT_TRUE(program);
  const auto status = check_init_calls(*program, calls);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().rule, "seccomp.init-calls");
  EXPECT_EQ(status.error().cls, ErrorClass::unsupported);
  EXPECT_NE(status.error().what.find("execveat, capset"), std::string::npos) << status.error().what;
}

TEST(SeccompInitCalls, LogIsLetThroughTraceIsNot) {
  const InitCall calls[] = {{"read", SYS_read}};
  const Program log = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_LOG)};
  const Program trace = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE)};
  EXPECT_TRUE(check_init_calls(log, calls));
  EXPECT_EQ(check_init_calls(trace, calls).error().rule, "seccomp.init-calls");
}

}  // namespace
}  // namespace casemate::seccomp
