// Joining, freezing, ending and removing, with real processes.
#include <gtest/gtest.h>

#include "tests/unit/base/outcome.h"
#include "tests/unit/cgroup/real_cgroup.h"

namespace casemate::cgroup {
namespace {

TEST_F(RealCgroup, JoinFreezeAndKillATree) {
  Cgroup group = make();
  // A process that keeps forking short-lived children, and an obstinate one.
  int go[2];
  ASSERT_EQ(::pipe(go), 0);
  const pid_t forker = fork_child([&] {
    char byte;
    if (::read(go[0], &byte, 1) != 1) ::_exit(1);
    ::signal(SIGCHLD, SIG_IGN);
    while (true) {
      if (::fork() == 0) {
        ::usleep(3000);
        ::_exit(0);
      }
      ::usleep(1000);
    }
  });
  const pid_t deaf = fork_child([] {
    ::signal(SIGTERM, SIG_IGN);
    while (true) ::pause();
  });
  for (const pid_t pid : {forker, deaf}) {
    const auto joined = group.join(pid);
    ASSERT_TRUE(joined) << joined.error().message();
    EXPECT_TRUE(group.check_member(pid));
  }
  EXPECT_EQ(group.check_member(::getpid()).error().rule, "cgroup.readback");
  ASSERT_EQ(::write(go[1], "x", 1), 1);
  ::close(go[0]);
  ::close(go[1]);
  for (int i = 0; i < 2000 && group.processes().value().size() < 3; ++i) ::usleep(1000);
  EXPECT_GE(group.processes().value().size(), 3u);

  ASSERT_TRUE(group.freeze(true));
  EXPECT_TRUE(group.frozen().value());
  ASSERT_TRUE(group.freeze(false));
  EXPECT_FALSE(group.frozen().value());

  ASSERT_TRUE(group.freeze(true));  // killed while frozen
  const auto killed = group.kill_all(5s);
  EXPECT_TRUE(killed) << killed.error().message();
  EXPECT_TRUE(group.processes().value().empty());
  take_away(group);
}

TEST_F(RealCgroup, AProcessMovesItself) {
  Cgroup group = make();
  auto files = group.open_for_self();
  ASSERT_TRUE(files) << files.error().message();
  EXPECT_EQ(files->size() + (group.v2_fd() >= 0), hierarchies_.size());
  int done[2];
  ASSERT_EQ(::pipe(done), 0);
  const auto cloned = kernel_.clone3({.flags = 0, .cgroup_fd = group.v2_fd()});
  ASSERT_TRUE(cloned) << cloned.error().message();
  if (cloned->pid == 0) {
    const bool unprivileged = ::setresuid(65534, 65534, 65534) == 0;
    if (unprivileged && Cgroup::join_self(kernel_, *files)) (void)!::write(done[1], "x", 1);
    ::close(done[1]);
    for (;;) ::pause();
  }
  const pid_t child = cloned->pid;
  children_.push_back(child);
  ::close(done[1]);
  char byte = 0;
  EXPECT_EQ(::read(done[0], &byte, 1), 1);
  ::close(done[0]);
  const auto member = group.check_member(child);
  EXPECT_TRUE(member) << member.error().message();
  ASSERT_TRUE(group.kill_all(5s));
  take_away(group);
}

TEST_F(RealCgroup, KillsAForkLoop) {
  Cgroup group = make();
  oci::Resources asked;
  asked.pids_limit = 40;
  ASSERT_TRUE(group.limit(asked));
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t bomb = fork_child([&] {
    char go;
    if (::read(ready[0], &go, 1) != 1) ::_exit(1);
    ::signal(SIGCHLD, SIG_IGN);
    while (true) {
      if (::fork() < 0) ::usleep(500);  // every child loops too
    }
  });
  ASSERT_TRUE(group.join(bomb));
  ASSERT_EQ(::write(ready[1], "x", 1), 1);
  for (int i = 0; i < 2000 && group.processes().value().size() < 10; ++i) ::usleep(1000);
  EXPECT_GE(group.processes().value().size(), 10u);
  const auto killed = group.kill_all(10s);
  EXPECT_TRUE(killed) << killed.error().message();
  EXPECT_TRUE(group.processes().value().empty());
  ::close(ready[0]);
  ::close(ready[1]);
  take_away(group);
}

TEST_F(RealCgroup, NestedGroupsAreEndedAndRemoved) {
  Cgroup group = make();
  const pid_t child = sleeper();
  ASSERT_TRUE(group.join(child));
  for (const Hierarchy& one : hierarchies_) {
    ASSERT_EQ(::mkdir((one.mount_point + leaf_path() + "/inner").c_str(), 0755), 0);
    ASSERT_EQ(::mkdir((one.mount_point + leaf_path() + "/inner/deep").c_str(), 0755), 0);
  }
  std::ofstream(group.path("pids") + "/inner/deep/cgroup.procs") << child;
  EXPECT_EQ(group.processes().value(), std::vector<pid_t>{child});
  EXPECT_EQ(group.remove().error().rule, "cgroup.busy");
  ASSERT_TRUE(group.kill_all(5s));
  take_away(group);
  EXPECT_TRUE(group.remove()) << "again";
}

TEST_F(RealCgroup, AProcessJoinsBelowTheLeaf) {
  Cgroup group = make();
  for (const Hierarchy& one : hierarchies_) {
    const std::string inner = one.mount_point + leaf_path() + "/inner";
    ASSERT_EQ(::mkdir(inner.c_str(), 0755), 0);
    if (!one.v2 && one.has("cpuset"))
      for (const char* file : {"/cpuset.cpus", "/cpuset.mems"})
        std::ofstream(inner + file) << std::ifstream(inner + "/.." + file).rdbuf();
  }
  for (const char* below : {"absent", "..", "../..", "/inner", "inner/.."})
    EXPECT_EQ(rule_of(group.descend({{"", below}})), "cgroup.below") << below;
  EXPECT_EQ(rule_of(group.descend({{"teapot", "inner"}})), "cgroup.below");
  ASSERT_TRUE(group.descend({{"pids", "inner"}}));
  const pid_t child = sleeper();
  ASSERT_TRUE(group.join(child));
  EXPECT_TRUE(group.check_member(child));
  auto outer = Cgroup::find(kernel_, hierarchies_, leaf_path());
  ASSERT_TRUE(outer);
  EXPECT_EQ(rule_of(outer->check_member(child)), "cgroup.readback") << "it is in pids' inner one";
  ASSERT_TRUE(outer->kill_all(5s));
  EXPECT_TRUE(outer->remove());
}

TEST_F(RealCgroup, BusyLeafIsRefusedAndStaleOneMadeAnew) {
  Cgroup first = make();
  oci::Resources asked;
  asked.pids_limit = 7;
  ASSERT_TRUE(first.limit(asked));
  const pid_t child = sleeper();
  ASSERT_TRUE(first.join(child));
  const auto second = Cgroup::create(kernel_, hierarchies_, leaf_path());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().rule, "cgroup.busy");
  EXPECT_TRUE(first.check_member(child)) << "the owner lost nothing";
  ASSERT_TRUE(first.kill_all(5s));

  Cgroup anew = make();  // the empty leaf of `first`
  EXPECT_NE(read(anew.path("pids") + "/pids.max"), "7\n");
  EXPECT_TRUE(first.remove());  // not its own any more: left alone
  EXPECT_TRUE(std::filesystem::exists(anew.path("pids")));
  EXPECT_TRUE(anew.remove());
  first.remove_made_parents();
}

TEST_F(RealCgroup, SavedFoundAndGone) {
  Cgroup group = make();
  const pid_t child = sleeper();
  ASSERT_TRUE(group.join(child));
  auto loaded = Cgroup::from_json(kernel_, *parse_json(dump(group.to_json())));
  ASSERT_TRUE(loaded) << loaded.error().message();
  EXPECT_EQ(loaded->processes().value(), std::vector<pid_t>{child});
  auto found = Cgroup::find(kernel_, hierarchies_, leaf_path());
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->check_member(child));
  const Json saved = group.to_json();
  ASSERT_TRUE(loaded->kill_all(5s));
  take_away(*loaded);
  auto late = Cgroup::from_json(kernel_, saved);
  ASSERT_TRUE(late);
  EXPECT_TRUE(late->processes().value().empty());
  EXPECT_TRUE(late->remove());
  EXPECT_EQ(late->join(::getpid()).error().rule, "cgroup.gone");
  for (const char* text : {"{\"places\": [{}]}", "{\"places\": 5}", "[]"}) {
    const auto json = parse_json(text);
    if (!json) continue;
    EXPECT_FALSE(Cgroup::from_json(kernel_, *json)) << text;
  }
}

}  // namespace
}  // namespace casemate::cgroup
