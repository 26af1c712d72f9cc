#include "shim/apply/proc_status.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <random>

#include "shim/sys/real_kernel.h"
#include "tests/unit/base/outcome.h"

namespace casemate::apply {
namespace {

const std::string kStatus =
    "Name:\tsh\nUmask:\t0027\nState:\tS (sleeping)\nPid:\t7\n"
    "Uid:\t1000\t1001\t1002\t1003\nGid:\t100\t101\t102\t103\nFDSize:\t64\nGroups:\t5 7 4294967294 "
    "\n"
    "NSpid:\t7\t1\nNSsid:\t6\t1\n"
    "CapInh:\t0000000000000001\nCapPrm:\t00000000a80425fb\nCapEff:\t0000000000000002\n"
    "CapBnd:\t000001ffffffffff\nCapAmb:\t0000000000000000\n"
    "NoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t3\nSpeculation_Store_Bypass:\tthread force\n";

std::string replaced(const std::string& from, const std::string& to) {
  std::string text = kStatus;
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(ProcStatus, EveryFact) {
  const auto status = parse_status(kStatus);
  ASSERT_TRUE(status) << status.error().message();
  EXPECT_EQ(status->uids, (std::array<std::uint32_t, 4>{1000, 1001, 1002, 1003}));
  EXPECT_EQ(status->gids, (std::array<std::uint32_t, 4>{100, 101, 102, 103}));
  EXPECT_EQ(status->groups, (std::vector<std::uint32_t>{5, 7, 4294967294}));
  EXPECT_EQ(status->cap_inheritable, 1u);
  EXPECT_EQ(status->cap_permitted, 0xa80425fbu);
  EXPECT_EQ(status->cap_effective, 2u);
  EXPECT_EQ(status->cap_bounding, 0x1ffffffffffu);
  EXPECT_EQ(status->cap_ambient, 0u);
  EXPECT_TRUE(status->no_new_privileges);
  EXPECT_EQ(status->umask, 027u);
  EXPECT_EQ(status->pid, 7);
  EXPECT_EQ(status->session, 6);
  EXPECT_EQ(status->seccomp_mode, 2);
  EXPECT_EQ(status->seccomp_filters, 3);
}

TEST(ProcStatus, NoGroups) {
  const auto status = parse_status(replaced("Groups:\t5 7 4294967294 ", "Groups:\t "));
  ASSERT_TRUE(status);
  EXPECT_TRUE(status->groups.empty());
}

TEST(ProcStatus, EveryLineMustBeThere) {
  for (const char* key : {"Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb",
                          "NoNewPrivs", "Seccomp", "Seccomp_filters"}) {
    const std::string line = "\n" + std::string(key) + ":";
    EXPECT_EQ(rule_of(parse_status(replaced(line, "\nX" + std::string(key) + ":"))), "proc.status")
        << key;
  }
  EXPECT_EQ(rule_of(parse_status("")), "proc.status");
}

TEST(ProcStatus, MalformedLines) {
  const std::pair<const char*, const char*> changes[] = {
      {"Uid:\t1000\t1001\t1002\t1003", "Uid:\t1000\t1001\t1002"},
      {"Gid:\t100\t101\t102\t103", "Gid:\t100\t101\t102\t103\t104"},
      {"Uid:\t1000", "Uid:\t-1"},
      {"Uid:\t1000", "Uid:\t4294967296"},
      {"Groups:\t5", "Groups:\tx"},
      {"CapPrm:\t00000000a80425fb", "CapPrm:\t"},
      {"CapPrm:\t00000000a80425fb", "CapPrm:\t10000000000000000"},
      {"CapEff:\t0000000000000002", "CapEff:\t2 2"},
      {"CapEff:\t0000000000000002", "CapEff:\t2g"},
      {"NoNewPrivs:\t1", "NoNewPrivs:\tx"},
      {"Seccomp:\t2", "Seccomp:\t"},
  };
  for (const auto& [from, to] : changes)
    EXPECT_EQ(rule_of(parse_status(replaced(from, to))), "proc.status") << to;
}

// The name is what the process chose: it cannot stand in for a line.
TEST(ProcStatus, TheNameIsNoLine) {
  const auto status = parse_status(replaced("Name:\tsh", "Name:\tUid:\t0\t0\t0\t0\\nUid: 0"));
  ASSERT_TRUE(status) << status.error().message();
  EXPECT_EQ(status->uids[0], 1000u);
}

TEST(ProcStatus, RandomMutationsNeverPassAsSomethingElse) {
  std::mt19937 random(3);
  int refused = 0;
  for (int round = 0; round < 5000; ++round) {
    std::string text = kStatus.substr(0, random() % (kStatus.size() + 1));
    for (auto i = random() % 4; i > 0 && !text.empty(); --i)
      text[random() % text.size()] = static_cast<char>(random() % 256);
    const auto status = parse_status(text);
    if (status) continue;
    ++refused;
    EXPECT_EQ(status.error().rule, "proc.status");
    EXPECT_EQ(status.error().cls, ErrorClass::internal);
  }
  EXPECT_GT(refused, 1000);
}

TEST(ProcStatus, OfThisProcess) {
  sys::RealKernel kernel;
  const auto proc = fs::ProcFs::open(kernel);
  ASSERT_TRUE(proc);
  const auto self = read_status(*proc, "self");
  ASSERT_TRUE(self) << self.error().message();
  EXPECT_EQ(self->uids[1], ::geteuid());
  EXPECT_EQ(self->gids[1], ::getegid());
  const auto by_pid = read_status(*proc, std::to_string(::getpid()));
  ASSERT_TRUE(by_pid);
  EXPECT_EQ(by_pid->cap_permitted, self->cap_permitted);
  EXPECT_EQ(errno_of(read_status(*proc, "2147483646")), ENOENT);
}

}  // namespace
}  // namespace casemate::apply
