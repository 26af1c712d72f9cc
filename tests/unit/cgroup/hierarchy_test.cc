#include "shim/cgroup/hierarchy.h"

#include <gtest/gtest.h>

#include <random>

#include "shim/cgroup/paths.h"
#include "shim/sys/real_kernel.h"

namespace casemate::cgroup {
namespace {

constexpr std::string_view kV1 =
    "21 1 0:5 / /proc rw,nosuid - proc proc rw\n"
    "31 23 0:28 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs ro,mode=755\n"
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
    "33 31 0:30 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
    "34 31 0:31 / /sys/fs/cgroup/systemd rw - cgroup cgroup "
    "rw,xattr,release_agent=/lib/systemd/agent,name=systemd\n";
constexpr std::string_view kV1Own =
    "3:cpu,cpuacct:/user.slice\n2:memory:/process/1\n1:name=systemd:/user.slice/s.scope\n";

constexpr std::string_view kHybrid =
    "33 31 0:30 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
    "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";
constexpr std::string_view kV2 =
    "41 31 0:38 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";

TEST(Hierarchies, V1) {
  const auto all = parse_hierarchies(kV1, kV1Own);
  ASSERT_TRUE(all) << all.error().message();
  ASSERT_EQ(all->size(), 3u);
  EXPECT_EQ((*all)[0].mount_point, "/sys/fs/cgroup/cpu,cpuacct");
  EXPECT_EQ((*all)[0].controllers, (std::vector<std::string>{"cpu", "cpuacct"}));
  EXPECT_EQ((*all)[0].root, "/user.slice");
  EXPECT_EQ(find(*all, "cpuacct"), &(*all)[0]);
  EXPECT_EQ(find(*all, "memory")->root, "/process/1");
  EXPECT_EQ((*all)[2].controllers, (std::vector<std::string>{"name=systemd"}));
  EXPECT_EQ((*all)[2].root, "/user.slice/s.scope");
  EXPECT_EQ(find(*all, "pids"), nullptr);
  EXPECT_EQ(find(*all, ""), nullptr);
}

TEST(Hierarchies, Hybrid) {
  const auto all = parse_hierarchies(kHybrid, "2:memory:/\n0::/init.scope\n");
  ASSERT_TRUE(all);
  ASSERT_EQ(all->size(), 2u);
  EXPECT_FALSE((*all)[0].v2);
  EXPECT_TRUE((*all)[1].v2);
  EXPECT_EQ(find(*all, "")->root, "/init.scope");
}

TEST(Hierarchies, V2AndDelegatedMounts) {
  auto all = parse_hierarchies(kV2, "0::/system.slice/casemate.service\n");
  ASSERT_TRUE(all);
  ASSERT_EQ(all->size(), 1u);
  EXPECT_EQ((*all)[0].root, "/system.slice/casemate.service");
  // In a container without a cgroup namespace the mount shows a part of the tree.
  all = parse_hierarchies("4 1 0:38 /docker/x /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
                          "0::/docker/x/inner\n");
  ASSERT_TRUE(all);
  EXPECT_EQ((*all)[0].root, "/inner");
}

TEST(Hierarchies, DoubleMountsAndEscapes) {
  const auto all = parse_hierarchies(
      "1 1 0:1 / /cg\\040one rw - cgroup cgroup rw,memory\n"
      "2 1 0:1 / /second rw - cgroup cgroup rw,memory\n"
      "3 1 0:2 / /x rw - cgroup cgroup rw,pids\n"
      "4 1 0:3 / /x rw - cgroup cgroup rw,freezer\n",
      "");
  ASSERT_TRUE(all);
  ASSERT_EQ(all->size(), 2u);
  EXPECT_EQ((*all)[0].mount_point, "/cg one");
  EXPECT_EQ((*all)[1].controllers.front(), "freezer") << "the later mount hides the earlier";
}

TEST(Hierarchies, MalformedTextIsRefused) {
  for (const std::string_view text : {"1 1 0:1 / /cg rw cgroup cgroup rw", "1 2 - cgroup c rw",
                                      "1 1 0:1 / cg rw - cgroup cgroup rw,memory"}) {
    const auto all = parse_hierarchies(text, "");
    ASSERT_FALSE(all) << text;
    EXPECT_EQ(all.error().rule, "cgroup.mountinfo");
  }
  EXPECT_EQ(parse_hierarchies("", "memory /x\n").error().rule, "cgroup.mountinfo");
  EXPECT_EQ(parse_hierarchies("", "1:memory:x\n").error().rule, "cgroup.mountinfo");
}

TEST(Hierarchies, MutatedTextsNeverCrash) {
  std::mt19937 random(11);
  for (int round = 0; round < 5000; ++round) {
    std::string mounts(kV1), own(kV1Own);
    for (int i = 0; i < 3; ++i) {
      mounts[random() % mounts.size()] = static_cast<char>(random());
      own.erase(random() % own.size(), random() % 4);
    }
    const auto all = parse_hierarchies(mounts, own);
    if (!all) {
      EXPECT_EQ(all.error().rule, "cgroup.mountinfo");
      continue;
    }
    for (const Hierarchy& one : *all) EXPECT_EQ(one.mount_point.substr(0, 1), "/");
  }
}

TEST(Hierarchies, OfThisMachine) {
  sys::RealKernel kernel;
  const auto all = read_hierarchies(kernel);
  ASSERT_TRUE(all) << all.error().message();
  EXPECT_NE(find(*all, "memory"), nullptr);
  EXPECT_NE(find(*all, "pids"), nullptr);
}

std::string leaf(std::string_view asked, bool v2_alone = false, std::string root = "/own/cg") {
  const Hierarchy one{.mount_point = "/sys/fs/cgroup", .v2 = v2_alone, .root = std::move(root)};
  const auto path = leaf_path(one, v2_alone, asked);
  return path ? *path : path.error().rule;
}

TEST(CgroupPath, AsRuncDoes) {
  EXPECT_EQ(leaf("/docker/abc"), "docker/abc");
  EXPECT_EQ(leaf("//docker/./abc/"), "docker/abc");
  EXPECT_EQ(leaf("abc"), "own/cg/abc");
  EXPECT_EQ(leaf("abc", true), "own/abc");
  EXPECT_EQ(leaf("abc", true, "/"), "abc");
  EXPECT_EQ(leaf("/a:b:c"), "a:b:c");
  EXPECT_EQ(leaf("system.slice:runc:abc"), "cgroup.systemd");
  EXPECT_EQ(leaf(""), "cgroup.path");
  EXPECT_EQ(leaf("/"), "cgroup.path");
  EXPECT_EQ(leaf("/a/../b"), "cgroup.path");
  EXPECT_EQ(leaf(std::string("/a\nb")), "cgroup.path");
  EXPECT_EQ(leaf("/" + std::string(300, 'x')), "cgroup.path");
}

std::string below_of(const Hierarchy& hierarchy, const std::map<std::string, std::string>& below) {
  const auto path = path_below(hierarchy, below);
  return path ? *path : path.error().rule;
}

TEST(PathBelow, ControllersOfOneHierarchyHaveOnePath) {
  const Hierarchy cpu = {
      .mount_point = "/cg/cpu,cpuacct", .controllers = {"cpu", "cpuacct"}, .root = "/"};
  const Hierarchy pids = {.mount_point = "/cg/pids", .controllers = {"pids"}, .root = "/"};
  const Hierarchy v2 = {
      .mount_point = "/cg", .controllers = {"memory", "pids"}, .v2 = true, .root = "/"};
  EXPECT_EQ(below_of(cpu, {{"cpu", "x"}, {"cpuacct", "x"}}), "x");
  EXPECT_EQ(below_of(cpu, {{"cpu", "x"}, {"cpuacct", "y"}}), "cgroup.below");
  EXPECT_EQ(below_of(cpu, {{"cpuacct", "x/y"}, {"pids", "z"}}), "x/y");
  EXPECT_EQ(below_of(pids, {{"cpu", "x"}}), "");
  EXPECT_EQ(below_of(v2, {{"memory", "x"}, {"pids", "x"}}), "") << "names are v1's";
  for (const Hierarchy& one : {cpu, pids, v2}) {
    EXPECT_EQ(below_of(one, {}), "");
    EXPECT_EQ(below_of(one, {{"", "a/b"}}), "a/b");
    for (const char* path : {"..", "a/../b", "/a", "a//b", "a/"})
      EXPECT_EQ(below_of(one, {{"", path}}), "cgroup.below") << path;
  }
}

}  // namespace
}  // namespace casemate::cgroup
