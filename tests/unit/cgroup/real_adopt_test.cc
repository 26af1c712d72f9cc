// A group that somebody else makes and takes away, as systemd does with a scope's.
#include "tests/unit/cgroup/real_cgroup.h"

namespace casemate::cgroup {
namespace {

class Adopted : public RealCgroup {
 protected:
  void SetUp() override {
    RealCgroup::SetUp();
    const Hierarchy* v2 = find(hierarchies_, "");
    ASSERT_NE(v2, nullptr) << "this test wants cgroup v2 mounted, alone or beside v1";
    v2_alone_ = {*v2};
    folder_ = v2->mount_point + leaf_path();
    std::filesystem::create_directories(folder_);
  }
  std::vector<Hierarchy> v2_alone_;
  std::string folder_;
};

TEST_F(Adopted, KnowsItselfFromItsFile) {
  auto group = Cgroup::adopt(kernel_, v2_alone_, leaf_path());
  ASSERT_TRUE(group) << group.error().message();
  const Json saved = group->to_json();
  EXPECT_EQ(saved.at("places").at(0).at("managed"), true);
  const auto loaded = Cgroup::from_json(kernel_, saved);
  ASSERT_TRUE(loaded) << loaded.error().message();
  EXPECT_EQ(dump(loaded->to_json()), dump(saved));
  EXPECT_EQ(loaded->path(""), folder_);
  const pid_t child = sleeper();
  ASSERT_TRUE(group->join(child));
  EXPECT_TRUE(loaded->check_member(child));
  ASSERT_TRUE(group->kill_all(5s));
}

TEST_F(Adopted, ItMustBeThereAndOfV2Alone) {
  EXPECT_EQ(Cgroup::adopt(kernel_, v2_alone_, leaf_path() + "/none").error().sys_errno, ENOENT);
  EXPECT_EQ(Cgroup::adopt(kernel_, v2_alone_, "system.slice:docker:x").error().rule,
            "cgroup.systemd");
  auto hybrid = v2_alone_;
  hybrid.push_back(
      {.mount_point = "/sys/fs/cgroup/memory", .controllers = {"memory"}, .root = "/"});
  EXPECT_EQ(Cgroup::adopt(kernel_, hybrid, leaf_path()).error().rule, "cgroup.systemd-v1");
}

TEST_F(Adopted, ItIsLeftToWhoMadeIt) {
  auto group = Cgroup::adopt(kernel_, v2_alone_, leaf_path());
  ASSERT_TRUE(group);
  int seen[2];
  ASSERT_EQ(::pipe(seen), 0);
  fork_child([&] {
    ::usleep(50'000);
    if (::rmdir(folder_.c_str()) == 0) (void)!::write(seen[1], "x", 1);
  });
  ::close(seen[1]);
  EXPECT_TRUE(group->remove());
  char byte = 0;
  EXPECT_EQ(::read(seen[0], &byte, 1), 1) << "it was still there for its maker";
  ::close(seen[0]);
  EXPECT_FALSE(std::filesystem::exists(folder_));
}

TEST_F(Adopted, ItIsRemovedWhenItsMakerDoesNot) {
  auto group = Cgroup::adopt(kernel_, v2_alone_, leaf_path());
  ASSERT_TRUE(group);
  std::filesystem::create_directories(folder_ + "/inner");
  EXPECT_TRUE(group->remove());
  EXPECT_FALSE(std::filesystem::exists(folder_));
}

TEST_F(Adopted, AnotherOneOfItsNameIsNotWaitedForNorRemoved) {
  auto group = Cgroup::adopt(kernel_, v2_alone_, leaf_path());
  ASSERT_TRUE(group);
  const std::string aside = folder_ + "-aside";
  ASSERT_EQ(::rmdir(folder_.c_str()), 0);
  ASSERT_EQ(::mkdir(aside.c_str(), 0755), 0);  // takes what number the old one may have left
  ASSERT_EQ(::mkdir(folder_.c_str(), 0755), 0);
  EXPECT_TRUE(group->remove());
  EXPECT_TRUE(std::filesystem::exists(folder_));
  ::rmdir(aside.c_str());
}

}  // namespace
}  // namespace casemate::cgroup
