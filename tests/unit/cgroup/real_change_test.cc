// Changing limits in use, freezing and thawing, and the OOM killer, on this machine.
#include "tests/unit/base/outcome.h"
#include "tests/unit/cgroup/real_cgroup.h"

namespace casemate::cgroup {
namespace {

oci::Resources memory_and_pids(std::int64_t memory, std::int64_t pids) {
  oci::Resources asked;
  asked.memory.limit = memory;
  asked.memory.swap = memory;
  asked.pids_limit = pids;
  return asked;
}

TEST_F(RealCgroup, ChangeAndUndo) {
  Cgroup group = make();
  ASSERT_TRUE(group.limit(memory_and_pids(64 << 20, 50)));
  const auto undo = group.change(memory_and_pids(96 << 20, 60));
  ASSERT_TRUE(undo) << undo.error().message();
  EXPECT_TRUE(group.check_limits(memory_and_pids(96 << 20, 60)));
  const auto undone = group.undo(*undo);
  EXPECT_TRUE(undone) << undone.error().message();
  EXPECT_TRUE(group.check_limits(memory_and_pids(64 << 20, 50)));
  take_away(group);
}

TEST_F(RealCgroup, UndoTakesAwayWhatWasNotLimited) {
  Cgroup group = make();
  oci::Resources asked = memory_and_pids(64 << 20, 50);
  asked.cpu.quota = 50000;
  asked.cpu.cpus = "0";
  const Json free = group.observe(asked).value();
  const auto undo = group.change(asked);
  ASSERT_TRUE(undo) << undo.error().message();
  const auto undone = group.undo(*undo);
  EXPECT_TRUE(undone) << undone.error().message();
  const Json after = group.observe(asked).value();
  for (const auto& [file, value] : free.items())
    EXPECT_EQ(after.at(file).at("observed"), value.at("observed")) << file;
  take_away(group);
}

TEST_F(RealCgroup, AChangeThatFailsChangesNothing) {
  Cgroup group = make();
  const oci::Resources before = memory_and_pids(64 << 20, 50);
  ASSERT_TRUE(group.limit(before));
  oci::Resources asked = memory_and_pids(96 << 20, 60);
  asked.cpu.period = 1;  // microsecond: refused by the kernel, after others were written
  const auto changed = group.change(asked);
  EXPECT_EQ(rule_of(changed), "cgroup.limit");
  EXPECT_NE(changed.error().hint.find("the old limits stand"), std::string::npos);
  EXPECT_TRUE(group.check_limits(before));
  take_away(group);
}

TEST_F(RealCgroup, ThawOfWhatIsNotFrozenOrGone) {
  Cgroup group = make();
  EXPECT_TRUE(group.thaw());
  const pid_t child = sleeper();
  ASSERT_TRUE(group.join(child));
  ASSERT_TRUE(group.freeze(true));
  EXPECT_TRUE(group.thaw());
  EXPECT_FALSE(group.frozen().value());
  ASSERT_TRUE(group.kill_all(5s));
  take_away(group);
  EXPECT_TRUE(group.thaw());
}

TEST_F(RealCgroup, StatisticsOfAProcess) {
  Cgroup group = make();
  ASSERT_TRUE(group.limit(memory_and_pids(64 << 20, 50)));
  ASSERT_TRUE(group.join(sleeper()));
  const auto figures = group.statistics();
  ASSERT_TRUE(figures) << figures.error().message();
  EXPECT_EQ(figures->at("pids"), Json({{"current", 1}, {"limit", 50}}));
  EXPECT_EQ(figures->at("memory").at("usage").at("limit"), 64 << 20);
  for (const char* key :
       {"cpu", "cpuset", "memory", "pids", "blkio", "hugetlb", "intel_rdt", "network_interfaces"})
    EXPECT_TRUE(figures->contains(key)) << key;
  ASSERT_TRUE(group.kill_all(5s));
  take_away(group);
}

TEST_F(RealCgroup, TheOomKillerIsNoticedAndTheRemovalIsNot) {
  Cgroup group = make();
  ASSERT_TRUE(group.limit(memory_and_pids(16 << 20, 50)));
  auto watch = group.watch_oom();
  ASSERT_TRUE(watch) << watch.error().message();
  EXPECT_FALSE(watch->take().value());
  int go[2];
  ASSERT_EQ(::pipe(go), 0);
  const pid_t eater = fork_child([&] {
    char byte;
    if (::read(go[0], &byte, 1) != 1) ::_exit(1);
    constexpr std::size_t kMuch = 64 << 20;
    volatile char* const memory = static_cast<char*>(std::malloc(kMuch));
    for (std::size_t i = 0; i < kMuch; i += 4096) memory[i] = 1;
  });
  ASSERT_TRUE(group.join(eater));
  ASSERT_EQ(::write(go[1], "x", 1), 1);
  ::close(go[0]);
  ::close(go[1]);
  bool told = false;
  for (int i = 0; i < 5000 && !told; ++i) {
    told = watch->take().value();
    ::usleep(1000);
  }
  EXPECT_TRUE(told);
  ASSERT_TRUE(group.kill_all(5s));
  while (watch->take().value()) {  // what it had told already
  }
  take_away(group);
  EXPECT_FALSE(watch->take().value());
}

}  // namespace
}  // namespace casemate::cgroup
