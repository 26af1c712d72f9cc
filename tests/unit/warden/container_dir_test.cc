#include "shim/warden/container_dir.h"

#include <sys/stat.h>

#include <atomic>
#include <thread>

#include "shim/base/encoding.h"
#include "shim/fs/host_file.h"
#include "shim/warden/holdings.h"
#include "tests/unit/warden/harness.h"

namespace casemate::warden {
namespace {

class ContainerDirTest : public ::testing::Test {
 protected:
  std::string path() const { return folder_.path() + "/state"; }
  sys::RealKernel kernel_;
  testing::TemporaryFolder folder_;
};

TEST(ContainerId, OnlyPlainNames) {
  for (const char* good : {"a", "A-b_c+d.1", "...", "0", "-x"}) EXPECT_TRUE(check_id(good)) << good;
  EXPECT_TRUE(check_id(std::string(255, 'x')));
  for (const std::string& bad :
       {std::string(), std::string("."), std::string(".."), std::string("a/b"), std::string("a b"),
        std::string("a\n"), std::string("\xc3\xa9"), std::string("a\0b", 3),
        std::string(256, 'x')}) {
    ASSERT_FALSE(check_id(bad)) << bad;
    EXPECT_EQ(check_id(bad).error().rule, "container.id");
  }
}

TEST_F(ContainerDirTest, LivesBelowTheDigestOfItsRootAndIsPrivate) {
  auto dir = ContainerDir::create(kernel_, path(), "/run/x", "one");
  ASSERT_TRUE(dir);
  const std::string where = path() + "/" + sha256_hex("/run/x").substr(0, 16) + "/one";
  EXPECT_EQ(std::filesystem::status(where).permissions(), std::filesystem::perms::owner_all);
}

TEST_F(ContainerDirTest, TheSameIdMayLiveUnderSeveralRoots) {
  auto first = ContainerDir::create(kernel_, path(), "/run/a", "one");
  auto second = ContainerDir::create(kernel_, path(), "/run/b", "one");
  ASSERT_TRUE(first && second);
  EXPECT_EQ(ContainerDir::create(kernel_, path(), "/run/a", "one").error().rule,
            "container.exists");
  EXPECT_EQ(*ContainerDir::list(kernel_, path(), "/run/a"), std::vector<std::string>{"one"});
  EXPECT_TRUE(ContainerDir::list(kernel_, path(), "/run/c")->empty());
}

TEST_F(ContainerDirTest, UnknownContainersAreSaidToBeUnknown) {
  EXPECT_EQ(ContainerDir::open(kernel_, path(), "/run/a", "one").error().rule, "container.unknown");
  auto other = ContainerDir::create(kernel_, path(), "/run/a", "two");
  EXPECT_EQ(ContainerDir::open(kernel_, path(), "/run/a", "one").error().rule, "container.unknown");
  EXPECT_EQ(ContainerDir::open(kernel_, path(), "/run/a", "../two").error().rule, "container.id");
}

TEST_F(ContainerDirTest, TheLifeLockIsHeldByAnyCopyOfTheDescriptor) {
  auto dir = std::make_unique<ContainerDir>(
      std::move(*ContainerDir::create(kernel_, path(), "/r", "one")));
  auto other = ContainerDir::open(kernel_, path(), "/r", "one");
  ASSERT_TRUE(other);
  EXPECT_TRUE(*other->alive());
  UniqueFd copy(::dup(dir->fd()));
  dir.reset();
  EXPECT_TRUE(*other->alive());
  copy.reset();
  EXPECT_FALSE(*other->alive());
}

TEST_F(ContainerDirTest, WhatADeadCreateLeftIsTakenOver) {
  {
    auto dead = ContainerDir::create(kernel_, path(), "/r", "one");
    ASSERT_TRUE(Journal::open(kernel_, dead->fd())->enter(State::fresh));
  }
  auto next = ContainerDir::create(kernel_, path(), "/r", "one");
  ASSERT_TRUE(next) << next.error().message();
  EXPECT_TRUE(read_journal(kernel_, next->fd())->empty());
}

TEST_F(ContainerDirTest, WhatAWardenHeldIsNotTakenOver) {
  {
    auto dead = ContainerDir::create(kernel_, path(), "/r", "one");
    UniqueFd holds(::openat(dead->fd(), "holds.json", O_CREAT | O_WRONLY, 0600));
  }
  EXPECT_EQ(ContainerDir::create(kernel_, path(), "/r", "one").error().rule, "container.exists");
}

TEST_F(ContainerDirTest, WhatMayHaveAUnitIsNotTakenOver) {
  {
    auto dead = ContainerDir::create(kernel_, path(), "/r", "one");
    EXPECT_FALSE(dead->load_unit()->has_value());
    ASSERT_TRUE(dead->save_unit({{"name", "docker-one.scope"}}));
    EXPECT_EQ(dead->load_unit()->value(), Json({{"name", "docker-one.scope"}}));
  }
  EXPECT_EQ(ContainerDir::create(kernel_, path(), "/r", "one").error().rule, "container.exists");
}

TEST_F(ContainerDirTest, RemoveMayBeRepeatedAndSparesANewContainerOfTheName) {
  auto dir = ContainerDir::create(kernel_, path(), "/r", "one");
  ASSERT_TRUE(dir->save_plan("{}"));
  auto adopted = ContainerDir::adopt(kernel_, UniqueFd(::dup(dir->fd())), "one");
  ASSERT_TRUE(dir->remove());
  ASSERT_TRUE(dir->remove());
  auto next = ContainerDir::create(kernel_, path(), "/r", "one");
  ASSERT_TRUE(next);
  EXPECT_TRUE(adopted.remove());
  EXPECT_TRUE(dir->remove());
  EXPECT_EQ(ContainerDir::list(kernel_, path(), "/r")->size(), 1u);
}

TEST_F(ContainerDirTest, RecordsComeBackAsTheyWere) {
  auto dir = ContainerDir::create(kernel_, path(), "/r", "one");
  EXPECT_EQ(dir->load_state().error().rule, "container.unmade");
  EXPECT_EQ(dir->load_state().error().sys_errno, ENOENT);
  const StateRecord record{.oci_version = "1.2.0",
                           .id = "one",
                           .bundle = "/b",
                           .created = "2026-01-02T03:04:05Z",
                           .pid = 17,
                           .pid_start_time = 99,
                           .warden_pid = 18,
                           .twin_pid = 19,
                           .plan_digest = "sha256:aa",
                           .annotations = {{"k", "v"}},
                           .extra = {{"terminal", true}}};
  ASSERT_TRUE(dir->save_state(record));
  const auto loaded = dir->load_state();
  ASSERT_TRUE(loaded) << loaded.error().message();
  EXPECT_EQ(loaded->to_json(), record.to_json());
  EXPECT_FALSE(*dir->load_result());
  EndRecord end{.exit_code = 3, .wiped_bytes = 5, .receipt = "/r.json"};
  ASSERT_TRUE(dir->save_result(end));
  EXPECT_EQ((**dir->load_result()).to_json(), end.to_json());
  ASSERT_TRUE(dir->save_plan("[1, 2]"));
  EXPECT_EQ(*dir->load_plan(), "[1, 2]");
}

TEST_F(ContainerDirTest, StrangeStateFilesAreRefused) {
  for (const char* text : {"[]", "{}", "{\"id\":1}",
                           R"({"ociVersion":"1","id":"a","bundle":"/","created":"","pid":-1})",
                           R"({"ociVersion":"1","id":"a","bundle":"/","created":"","extra":[]})"})
    EXPECT_FALSE(StateRecord::from_json(*parse_json(text))) << text;
  for (const char* code : {"256", "-1", "4294967296"}) {
    Json result = EndRecord{}.to_json();
    result["exitCode"] = Json::parse(code);
    EXPECT_FALSE(EndRecord::from_json(result)) << code;
  }
}

TEST_F(ContainerDirTest, AnErrorNamesTheFileThatIsBroken) {
  auto dir = ContainerDir::create(kernel_, path(), "/r", "one");
  const auto write = [&](const char* name, const char* text) {
    return fs::write_atomically_at(kernel_, dir->fd(), name, text, 0600);
  };
  for (const char* name : {"state.json", "result", "holds.json"})
    ASSERT_TRUE(write(name, "{\"a\":"));
  EXPECT_TRUE(dir->load_state().error().what.starts_with("state.json"));
  EXPECT_TRUE(dir->load_result().error().what.starts_with("result"));
  EXPECT_TRUE(load_holdings(kernel_, dir->fd(), "one").error().what.starts_with("holds.json"));
}

TEST_F(ContainerDirTest, FilesThatOthersCouldHaveWrittenAreRefused) {
  auto dir = ContainerDir::create(kernel_, path(), "/r", "one");
  ASSERT_TRUE(dir->save_plan("{}"));
  ASSERT_EQ(::fchmodat(dir->fd(), "plan.json", 0620, 0), 0);
  EXPECT_EQ(dir->load_plan().error().rule, "host.file-owner");
  ASSERT_EQ(::fchmodat(dir->fd(), "plan.json", 0600, 0), 0);
  ASSERT_TRUE(dir->load_plan());
  ASSERT_EQ(::fchownat(dir->fd(), "plan.json", 1000, 0, 0), 0);
  EXPECT_EQ(dir->load_plan().error().rule, "host.file-owner");
  ASSERT_EQ(::renameat(dir->fd(), "plan.json", dir->fd(), "kept"), 0);
  ASSERT_EQ(::symlinkat("kept", dir->fd(), "plan.json"), 0);
  EXPECT_EQ(dir->load_plan().error().sys_errno, ELOOP);
}

TEST_F(ContainerDirTest, HoldingsOfOtherTypesAreRefused) {
  auto dir = ContainerDir::create(kernel_, path(), "/r", "one");
  const Json good = {{"facts", Json::object()},
                     {"evidence", {{"audit", "/a"}, {"receipts", "/r"}, {"keys", "/k"}}},
                     {"mounts", Json::array()},
                     {"cgroups", Json::array()},
                     {"intendedCgroups", Json::array()},
                     {"initPid", 0},
                     {"initStartTime", 0}};
  const auto load = [&](const Json& holds) {
    EXPECT_TRUE(fs::write_atomically_at(kernel_, dir->fd(), "holds.json", dump(holds), 0600));
    return load_holdings(kernel_, dir->fd(), "one").has_value();
  };
  EXPECT_TRUE(load(good));
  for (const auto& [key, value] : good.items()) {
    Json bad = good;
    bad[key] = value.is_array() ? Json("text") : Json::array({1});
    EXPECT_FALSE(load(bad)) << key;
  }
  Json bad = good;
  bad["initPid"] = 4294967297;  // not process 1
  EXPECT_FALSE(load(bad));
}

TEST_F(ContainerDirTest, NoLockIsMadeInADirectoryThatIsBeingRemoved) {
  auto dir = ContainerDir::create(kernel_, path(), "/r", "one");
  ASSERT_TRUE(dir->save_plan("{}"));
  auto second = ContainerDir::open(kernel_, path(), "/r", "one");
  ASSERT_EQ(::unlinkat(dir->fd(), "plan.json", 0), 0);
  ASSERT_EQ(::unlinkat(dir->fd(), "lock", 0), 0);  // as remove() does it, which is not done yet
  EXPECT_EQ(second->lock().error().sys_errno, ENOENT);
  EXPECT_TRUE(second->remove());
  EXPECT_TRUE(dir->remove());
  EXPECT_TRUE(ContainerDir::list(kernel_, path(), "/r")->empty());
}

TEST_F(ContainerDirTest, AContainerOfAnEarlierVersionGetsItsLock) {
  auto dir = ContainerDir::create(kernel_, path(), "/r", "one");
  ASSERT_EQ(::unlinkat(dir->fd(), "lock", 0), 0);
  const UniqueFd holds(::openat(dir->fd(), "holds.json", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  EXPECT_TRUE(dir->lock());
}

// Eight callers remove what others make again under the same name.
TEST_F(ContainerDirTest, MakingAndRemovingBesideEachOther) {
  std::vector<std::thread> callers;
  std::atomic<int> made = 0;
  std::atomic<int> failed = 0;
  for (int i = 0; i < 8; ++i)
    callers.emplace_back([&, i] {
      sys::RealKernel kernel;
      for (int round = 0; round < 200; ++round) {
        if (i % 4 == 0) {
          auto dir = ContainerDir::create(kernel, path(), "/r", "one");
          if (dir) ++made;
          if (!dir && dir.error().rule != "container.exists") ++failed;
          continue;
        }
        auto dir = ContainerDir::open(kernel, path(), "/r", "one");
        if (!dir) continue;
        const auto lock = dir->lock();
        if (!lock && lock.error().sys_errno != ENOENT) ++failed;
        if (!dir->remove()) ++failed;
      }
    });
  for (auto& caller : callers) caller.join();
  EXPECT_GT(made, 0);
  EXPECT_EQ(failed, 0);
}

TEST_F(ContainerDirTest, TheCommandLockExcludes) {
  auto dir = ContainerDir::create(kernel_, path(), "/r", "one");
  auto lock = dir->lock();
  ASSERT_TRUE(lock);
  UniqueFd second(::openat(dir->fd(), "lock", O_RDWR));
  EXPECT_FALSE(kernel_.flock(second.get(), 2 | 4));  // LOCK_EX | LOCK_NB
  lock->reset();
  EXPECT_TRUE(kernel_.flock(second.get(), 2 | 4));
}

TEST(Processes, AreKnownByPidAndStartTime) {
  const auto own = process_start_time(::getpid());
  EXPECT_GT(own, 0u);
  EXPECT_TRUE(process_alive(::getpid(), own));
  EXPECT_FALSE(process_alive(::getpid(), own + 1));
  EXPECT_FALSE(process_alive(0, 0));
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  const auto start = process_start_time(child);
  siginfo_t info{};
  ::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT);
  EXPECT_FALSE(process_alive(child, start)) << "a zombie";
  ::waitpid(child, nullptr, 0);
  EXPECT_EQ(process_start_time(child), 0u);
}

}  // namespace
}  // namespace casemate::warden
