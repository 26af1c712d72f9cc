// Device rules: what they mean, and that the eBPF program means the same.
#include "shim/cgroup/devices.h"

#include <gtest/gtest.h>

#include <random>

namespace casemate::cgroup {
namespace {

constexpr unsigned kMknod = BPF_DEVCG_ACC_MKNOD;
constexpr unsigned kRead = BPF_DEVCG_ACC_READ;
constexpr unsigned kWrite = BPF_DEVCG_ACC_WRITE;

struct Request {
  char type;
  std::uint32_t major, minor;
  unsigned access;
};

// The instructions that device_program() uses, as the kernel runs them. False also for a program
// that leaves its bounds, which EXPECT reports.
bool run(const std::vector<bpf_insn>& program, const Request& request) {
  const std::uint32_t kind = request.type == 'c' ? BPF_DEVCG_DEV_CHAR : BPF_DEVCG_DEV_BLOCK;
  const std::uint32_t context[3] = {kind | request.access << 16, request.major, request.minor};
  std::uint64_t registers[11] = {};
  for (std::size_t at = 0; at < program.size(); ++at) {
    const bpf_insn& in = program[at];
    std::uint64_t& dst = registers[in.dst_reg];
    const auto low = static_cast<std::uint32_t>(dst);
    const auto imm = static_cast<std::uint32_t>(in.imm);
    switch (in.code) {
      case BPF_LDX | BPF_MEM | BPF_W:
        dst = context[in.off / 4];
        break;
      case BPF_ALU | BPF_MOV | BPF_X:
        dst = static_cast<std::uint32_t>(registers[in.src_reg]);
        break;
      case BPF_ALU | BPF_AND | BPF_K:
        dst = low & imm;
        break;
      case BPF_ALU | BPF_RSH | BPF_K:
        dst = low >> imm;
        break;
      case BPF_ALU64 | BPF_MOV | BPF_K:
        dst = imm;
        break;
      case BPF_JMP32 | BPF_JNE | BPF_K:
        at += low != imm ? in.off : 0;
        break;
      case BPF_JMP32 | BPF_JEQ | BPF_K:
        at += low == imm ? in.off : 0;
        break;
      case BPF_JMP | BPF_EXIT:
        return registers[0] != 0;
      default:
        ADD_FAILURE() << "instruction " << int{in.code};
        return false;
    }
  }
  ADD_FAILURE() << "no exit";
  return false;
}

// The meaning, written down independently: every kind of access by the last rule that names it.
bool decide(const std::vector<oci::DeviceRule>& rules, const Request& request) {
  for (const auto& [bit, letter] : {std::pair{kMknod, 'm'}, {kRead, 'r'}, {kWrite, 'w'}}) {
    if ((request.access & bit) == 0) continue;
    bool allowed = false;
    for (const oci::DeviceRule& rule : rules) {
      const bool matches = (rule.type == 'a' || rule.type == request.type) &&
                           (!rule.major || *rule.major == request.major) &&
                           (!rule.minor || *rule.minor == request.minor) &&
                           (rule.access.empty() || rule.access.find(letter) != std::string::npos);
      if (matches) allowed = rule.allow;
    }
    if (!allowed) return false;
  }
  return true;
}

std::vector<std::string> normal(const std::vector<oci::DeviceRule>& rules) {
  const auto policy = normalise(rules);
  if (!policy) return {policy.error().rule};
  std::vector<std::string> out = {policy->default_allow ? "allow" : "deny"};
  for (const auto& one : policy->rules) out.push_back((one.allow ? "+" : "-") + to_string(one));
  return out;
}
using Lines = std::vector<std::string>;

const oci::DeviceRule kDenyAll{.allow = false, .access = "rwm"};

TEST(Devices, Normalise) {
  EXPECT_EQ(normal({}), Lines{"deny"});
  EXPECT_EQ(normal({{.allow = true}}), Lines{"allow"});
  EXPECT_EQ(
      normal({{.allow = true, .type = 'c', .major = 1, .minor = 3, .access = "rw"}, kDenyAll}),
      Lines{"deny"});
  // As Docker sends it: the last rule denies what nothing allowed.
  EXPECT_EQ(normal({kDenyAll,
                    {.allow = true, .type = 'c', .major = 1, .minor = 3, .access = "rwm"},
                    {.allow = false, .type = 'c', .major = 10, .minor = 229, .access = "rwm"}}),
            (Lines{"deny", "+c 1:3 rwm"}));
  EXPECT_EQ(normal({{.allow = true, .type = 'c', .major = 1, .minor = 3, .access = "rwm"},
                    {.allow = false, .type = 'c', .major = 1, .access = "w"}}),
            (Lines{"deny", "+c 1:3 rm"}));
  EXPECT_EQ(normal({{.allow = true, .type = 'a', .access = "m"}}),
            (Lines{"deny", "+b *:* m", "+c *:* m"}));
  EXPECT_EQ(normal({{.allow = true, .type = 'c', .access = "rw"},
                    {.allow = false, .type = 'c', .major = 1, .minor = 3, .access = "w"}}),
            (Lines{"deny", "+c *:* rw", "-c 1:3 w"}));
}

TEST(Devices, MalformedRulesAreRefused) {
  EXPECT_EQ(normal({{.type = 'p'}}), Lines{"cgroup.devices"});
  EXPECT_EQ(normal({{.type = 'c', .access = "rx"}}), Lines{"cgroup.devices"});
  EXPECT_EQ(normal({{.type = 'c', .major = 1ll << 32}}), Lines{"cgroup.devices"});
  EXPECT_EQ(normal({{.type = 'c', .major = 1, .minor = -2}}), Lines{"cgroup.devices"});
  EXPECT_EQ(normalise({kDenyAll, {.type = 'p'}}).error().pointer, "/linux/resources/devices/1");
}

TEST(Devices, ProgramOfAnOrdinaryContainer) {
  const auto policy =
      normalise({kDenyAll,
                 {.allow = true, .type = 'c', .access = "m"},
                 {.allow = true, .type = 'c', .major = 1, .minor = 3, .access = "rw"},
                 {.allow = true, .type = 'c', .major = 136, .access = "rw"}});
  ASSERT_TRUE(policy);
  const auto program = device_program(*policy);
  EXPECT_TRUE(run(program, {'c', 1, 3, kRead | kWrite}));
  EXPECT_TRUE(run(program, {'c', 136, 77, kRead}));
  EXPECT_TRUE(run(program, {'c', 195, 0, kMknod}));
  EXPECT_FALSE(run(program, {'c', 195, 0, kRead}));
  EXPECT_FALSE(run(program, {'b', 1, 3, kRead}));
  EXPECT_FALSE(run(program, {'b', 8, 0, kMknod}));
}

TEST(Devices, ProgramMeansWhatTheRulesMean) {
  std::mt19937 random(99);
  const char* const accesses[] = {"", "r", "w", "m", "rw", "rm", "wm", "rwm"};
  for (int round = 0; round < 3000; ++round) {
    std::vector<oci::DeviceRule> rules(random() % 8);
    for (auto& rule : rules) {
      rule = {.allow = random() % 2 == 0, .type = "abc"[random() % 3]};
      if (random() % 3) rule.major = random() % 3 == 0 ? 0xfffffff0 : random() % 3;
      if (random() % 3) rule.minor = random() % 3;
      rule.access = accesses[random() % std::size(accesses)];
    }
    const auto policy = normalise(rules);
    ASSERT_TRUE(policy) << policy.error().message();
    const auto program = device_program(*policy);
    for (int ask = 0; ask < 40; ++ask) {
      const Request request{
          "bc"[random() % 2],
          random() % 3 == 0 ? 0xfffffff0 : static_cast<std::uint32_t>(random() % 3),
          static_cast<std::uint32_t>(random() % 3), static_cast<unsigned>(1 + random() % 7)};
      ASSERT_EQ(run(program, request), decide(rules, request)) << "round " << round;
    }
  }
}

}  // namespace
}  // namespace casemate::cgroup
