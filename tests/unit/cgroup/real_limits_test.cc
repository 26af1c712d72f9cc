// Limits and device rules, written to and read from the kernel, and what faults leave behind.
#include <gtest/gtest.h>

#include "tests/unit/cgroup/real_cgroup.h"

namespace casemate::cgroup {
namespace {

TEST_F(RealCgroup, LimitsAreWrittenAndReadBack) {
  Cgroup group = make();
  const oci::Resources asked = some_limits();
  const auto unlimited = group.check_limits(asked);
  ASSERT_FALSE(unlimited);
  EXPECT_EQ(unlimited.error().rule, "cgroup.readback");
  EXPECT_NE(unlimited.error().what.find("pids.max"), std::string::npos);

  const auto limited = group.limit(asked);
  ASSERT_TRUE(limited) << limited.error().message();
  const auto checked = group.check_limits(asked);
  EXPECT_TRUE(checked) << checked.error().message();
  if (find(hierarchies_, "pids")->v2) {
    EXPECT_EQ(read(group.path("memory") + "/memory.max"), "67108864\n");
  } else {
    EXPECT_EQ(read(group.path("memory") + "/memory.memsw.limit_in_bytes"), "134217728\n");
    EXPECT_EQ(read(group.path("devices") + "/devices.list"), "c *:* m\nc 1:3 rw\n");
  }
  EXPECT_EQ(read(group.path("pids") + "/pids.max"), "100\n");
  take_away(group);
}

TEST_F(RealCgroup, UpdatesRaiseAndLowerInAnyOrder) {
  Cgroup group = make();
  const std::pair<std::int64_t, std::int64_t> steps[] = {
      {64, 128}, {256, 512}, {32, 64}, {600, 600}, {16, 1024}, {1025, 1026}, {16, 16}};
  for (const auto& [limit, swap] : steps) {
    oci::Resources asked;
    asked.memory.limit = limit << 20;
    asked.memory.swap = swap << 20;
    const auto status = group.limit(asked);
    EXPECT_TRUE(status) << limit << ": " << status.error().message();
    EXPECT_TRUE(group.check_limits(asked));
  }
  oci::Resources unlimited;
  unlimited.memory.limit = -1;
  unlimited.cpu.quota = -1;
  EXPECT_TRUE(group.limit(unlimited));
  EXPECT_TRUE(group.check_limits(unlimited));
  take_away(group);
}

TEST_F(RealCgroup, DeviceUpdatesBothWays) {
  Cgroup group = make();
  oci::Resources asked = some_limits();
  ASSERT_TRUE(group.limit(asked));
  asked.devices.push_back({.allow = true, .type = 'c', .major = 1, .minor = 5, .access = "r"});
  asked.devices.push_back({.allow = false, .type = 'c', .major = 1, .minor = 3, .access = "w"});
  ASSERT_TRUE(group.limit(asked));
  EXPECT_TRUE(group.check_limits(asked));
  EXPECT_FALSE(group.check_limits(some_limits()));
  asked.devices = {{.allow = true}};
  ASSERT_TRUE(group.limit(asked));
  EXPECT_TRUE(group.check_limits(asked));
  take_away(group);
}

TEST_F(RealCgroup, MissingControllersAndBadValuesAreNamed) {
  Cgroup group = make();
  const auto rule = [&](auto change) {
    oci::Resources asked;
    change(asked);
    const auto status = group.limit(asked);
    return status ? "accepted" : status.error().rule;
  };
  if (find(hierarchies_, "net_cls") == nullptr) {
    EXPECT_EQ(rule([](auto& r) { r.net_class_id = 5; }), "cgroup.no-controller");
  }
  EXPECT_EQ(rule([](auto& r) { r.unified = {{"nothing.max", "5"}}; }), "cgroup.no-controller");
  EXPECT_EQ(rule([](auto& r) { r.cpu.cpus = "4000"; }), "cgroup.limit");
  EXPECT_EQ(rule([](auto& r) { r.cpu.quota = 1; }), "cgroup.limit");
  EXPECT_EQ(rule([](auto& r) { r.devices = {{.type = 'x'}}; }), "cgroup.devices");
  const Hierarchy* devices = find(hierarchies_, "devices");
  if (devices != nullptr) {
    EXPECT_EQ(rule([](auto& r) {
                r.devices = {{.allow = false},
                             {.allow = true, .type = 'c', .access = "rw"},
                             {.allow = false, .type = 'c', .major = 1, .minor = 3}};
              }),
              "cgroup.devices-overlap");
  }
  take_away(group);
}

TEST_F(RealCgroup, HugePagesGoToTheHierarchyThatHasThem) {
  const Hierarchy* home = find(hierarchies_, "hugetlb");
  Cgroup group = make();
  oci::Resources asked;
  asked.hugepage_limits = {{"2MB", 4 << 20}};
  const bool was_on =
      home != nullptr && home->v2 &&
      read(home->mount_point + "/cgroup.subtree_control").find("hugetlb") != std::string::npos;
  const auto status = group.limit(asked);
  if (home == nullptr) {
    EXPECT_EQ(status.error().rule, "cgroup.no-controller");
  } else {
    EXPECT_TRUE(status) << status.error().message();
    EXPECT_TRUE(group.check_limits(asked));
  }
  take_away(group);
  if (home != nullptr && home->v2 && !was_on) {
    std::ofstream(home->mount_point + "/cgroup.subtree_control") << "-hugetlb";
  }
}

TEST_F(RealCgroup, DeviceProgramInTheKernel) {
  const Hierarchy* v2 = find(hierarchies_, "");
  ASSERT_NE(v2, nullptr) << "this test wants cgroup v2 mounted, alone or beside v1";
  Cgroup group = make();
  const std::vector<oci::DeviceRule> rules = {
      {.allow = false},
      {.allow = true, .type = 'c', .major = 1, .minor = 3, .access = "rw"},
      {.allow = true, .type = 'c', .major = 1, .minor = 5, .access = "r"}};
  ASSERT_TRUE(limit_devices_v2(kernel_, group.v2_fd(), {{.allow = true}}));
  const auto attached = limit_devices_v2(kernel_, group.v2_fd(), rules);
  ASSERT_TRUE(attached) << attached.error().message();
  auto seen = observe_devices_v2(kernel_, group.v2_fd(), rules);
  ASSERT_TRUE(seen) << seen.error().message();
  EXPECT_EQ(seen->at("holds"), true) << dump(*seen) << " (the first program is gone)";
  seen = observe_devices_v2(kernel_, group.v2_fd(), {{.allow = true}});
  EXPECT_EQ(seen.value().at("holds"), false);

  // Of a group that systemd looks after, too: neither takes the other's program away.
  ASSERT_TRUE(limit_devices_v2(kernel_, group.v2_fd(), rules));
  const std::vector<oci::DeviceRule> theirs = {{.allow = false},
                                               {.allow = true, .type = 'c', .major = 1}};
  ASSERT_TRUE(limit_devices_v2(kernel_, group.v2_fd(), theirs, Attached::shared));
  seen = observe_devices_v2(kernel_, group.v2_fd(), rules, Attached::shared);
  ASSERT_TRUE(seen) << seen.error().message();
  EXPECT_EQ(seen->at("observed").size(), 2u);
  EXPECT_EQ(seen->at("holds"), true);
  seen = observe_devices_v2(kernel_, group.v2_fd(), {{.allow = true}}, Attached::shared);
  EXPECT_EQ(seen.value().at("holds"), false);
  seen = observe_devices_v2(kernel_, group.v2_fd(), rules);
  EXPECT_EQ(seen.value().at("holds"), false) << "what is ours alone has one program";

  const std::string node = "/tmp/casemate-devices-" + std::to_string(::getpid());
  int status = 0;
  const pid_t child = fork_child([&] {
    std::ofstream(group.path("") + "/cgroup.procs") << ::getpid() << std::flush;
    const auto opens = [](const char* path, int flags) {
      const UniqueFd fd(::open(path, flags | O_CLOEXEC));
      return static_cast<bool>(fd);
    };
    int failed = 0;
    if (!opens("/dev/null", O_RDWR)) failed |= 1;
    if (!opens("/dev/zero", O_RDONLY)) failed |= 2;
    if (opens("/dev/zero", O_RDWR) || errno != EPERM) failed |= 4;
    if (opens("/dev/full", O_RDONLY) || errno != EPERM) failed |= 8;
    if (::mknod(node.c_str(), S_IFCHR | 0600, makedev(1, 3)) == 0) failed |= 16;
    ::_exit(failed);
  });
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  children_.pop_back();
  ::unlink(node.c_str());
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  take_away(group);
}

TEST_F(RealCgroup, AnyFailingCallLeavesNothing) {
  sys::FaultyKernel faulty(kernel_);
  const oci::Resources asked = some_limits();
  const pid_t child = sleeper();
  const auto attempt = [&]() -> Status {
    auto group = TRY(Cgroup::create(faulty, hierarchies_, leaf_path()));
    auto status = group.limit(asked);
    if (status) status = group.join(child);
    if (status) status = group.check_limits(asked);
    if (status) status = group.check_member(child);
    return status;
  };
  const auto clean = [&] {
    auto left = Cgroup::find(kernel_, hierarchies_, leaf_path());
    ASSERT_TRUE(left);
    for (const Hierarchy& one : hierarchies_) {
      std::ofstream(one.mount_point + "/cgroup.procs") << child << std::flush;
    }
    EXPECT_TRUE(left->remove());
    for (const Hierarchy& one : hierarchies_) {
      ::rmdir((one.mount_point + "/" + parent_).c_str());
    }
  };
  ASSERT_TRUE(Cgroup::create(faulty, hierarchies_, leaf_path()));
  const std::size_t calls_of_create = faulty.calls();
  clean();
  faulty.reset();
  ASSERT_TRUE(attempt());
  const std::size_t calls = faulty.calls();
  clean();
  for (std::size_t n = 1; n <= calls_of_create; ++n) {
    faulty.reset();
    faulty.fail_call(n, EIO);
    const bool created = static_cast<bool>(Cgroup::create(faulty, hierarchies_, leaf_path()));
    if (created) clean();  // best effort, as turning on v2 controllers
    EXPECT_EQ(residue(), "") << n << ": " << faulty.made()[n - 1];
  }
  for (std::size_t n = 1; n <= calls; ++n) {
    faulty.reset();
    faulty.pretend_call(n);
    if (attempt()) {
      const auto truth = Cgroup::find(kernel_, hierarchies_, leaf_path());
      ASSERT_TRUE(truth);
      EXPECT_TRUE(truth->check_limits(asked)) << n << ": " << faulty.made()[n - 1];
      EXPECT_TRUE(truth->check_member(child)) << n << ": " << faulty.made()[n - 1];
    }
    clean();
  }
}

}  // namespace
}  // namespace casemate::cgroup
