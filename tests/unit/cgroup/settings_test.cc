// Requests in the kernel's words, v1 and v2.
#include "shim/cgroup/settings.h"

#include <gtest/gtest.h>

#include <random>

namespace casemate::cgroup {
namespace {

using Lines = std::vector<std::string>;

Lines lines(const Result<Settings>& settings) {
  if (!settings) return {settings.error().rule};
  Lines out;
  for (const Setting& one : *settings) out.push_back(one.file + "=" + one.value);
  return out;
}

TEST(LimitsV1, EveryField) {
  oci::Resources asked;
  asked.memory.limit = 64 << 20;
  asked.memory.swap = 128 << 20;
  asked.memory.reservation = 32 << 20;
  asked.memory.kernel = 1 << 20;
  asked.memory.kernel_tcp = 2 << 20;
  asked.memory.swappiness = 0;
  asked.memory.disable_oom_killer = true;
  asked.memory.use_hierarchy = true;
  EXPECT_EQ(lines(memory_v1(asked)),
            (Lines{"memory.limit_in_bytes=67108864", "memory.memsw.limit_in_bytes=134217728",
                   "memory.soft_limit_in_bytes=33554432", "memory.kmem.limit_in_bytes=1048576",
                   "memory.kmem.tcp.limit_in_bytes=2097152", "memory.swappiness=0",
                   "memory.oom_control=1", "memory.use_hierarchy=1"}));
  asked.cpu = {.shares = 512,
               .period = 100000,
               .realtime_period = 1000,
               .burst = 0,
               .quota = -1,
               .realtime_runtime = 500,
               .idle = 1,
               .cpus = "0-1,3",
               .mems = "0"};
  EXPECT_EQ(lines(cpu_v1(asked)),
            (Lines{"cpu.shares=512", "cpu.rt_period_us=1000", "cpu.rt_runtime_us=500",
                   "cpu.cfs_period_us=100000", "cpu.cfs_quota_us=-1", "cpu.cfs_burst_us=0",
                   "cpu.idle=1"}));
  EXPECT_EQ(lines(cpuset_both(asked)), (Lines{"cpuset.cpus=0-1,3", "cpuset.mems=0"}));
  asked.block_io.weight = 500;
  asked.block_io.leaf_weight = 10;
  asked.block_io.weight_device = {{.major = 8, .minor = 0, .weight = 100, .leaf_weight = 20}};
  asked.block_io.read_bps = {{8, 0, 1000}};
  asked.block_io.write_bps = {{8, 1, 2000}};
  asked.block_io.read_iops = {{8, 0, 30}};
  asked.block_io.write_iops = {{8, 0, 40}};
  EXPECT_EQ(
      lines(block_io_v1(asked)),
      (Lines{"blkio.weight=500", "blkio.leaf_weight=10", "blkio.weight_device=8:0 100",
             "blkio.leaf_weight_device=8:0 20", "blkio.throttle.read_bps_device=8:0 1000",
             "blkio.throttle.write_bps_device=8:1 2000", "blkio.throttle.read_iops_device=8:0 30",
             "blkio.throttle.write_iops_device=8:0 40"}));
  asked.hugepage_limits = {{"2MB", 4194304}};
  EXPECT_EQ(lines(hugetlb_v1(asked)), (Lines{"hugetlb.2MB.limit_in_bytes=4194304",
                                             "hugetlb.2MB.rsvd.limit_in_bytes=4194304"}));
  asked.net_class_id = 0x100001;
  asked.net_priorities = {{"eth0", 5}};
  asked.rdma = {{"mlx5_0", {2, 2000}}, {"mlx5_1", {std::nullopt, 7}}};
  EXPECT_EQ(lines(net_cls_v1(asked)), (Lines{"net_cls.classid=1048577"}));
  EXPECT_EQ(lines(net_prio_v1(asked)), (Lines{"net_prio.ifpriomap=eth0 5"}));
  EXPECT_EQ(lines(rdma_both(asked)), (Lines{"rdma.max=mlx5_0 hca_handle=2 hca_object=2000",
                                            "rdma.max=mlx5_1 hca_object=7"}));
  asked.pids_limit = -1;
  EXPECT_EQ(lines(pids_both(asked)), (Lines{"pids.max=max"}));
}

TEST(LimitsV1, ZeroMeansNotAsked) {
  oci::Resources asked;
  asked.memory.limit = asked.memory.swap = asked.memory.reservation = asked.memory.kernel = 0;
  asked.cpu = {.shares = 0, .period = 0, .quota = 0};
  asked.pids_limit = 0;
  asked.block_io.weight = 0;
  asked.net_class_id = 0;
  for (const Controller& one : controllers()) {
    EXPECT_EQ(lines(one.settings_v1(asked)), Lines{}) << one.v1;
    EXPECT_EQ(lines(one.settings_v2(asked)), Lines{}) << one.v2;
  }
}

TEST(LimitsV1, UnlimitedMemoryLiftsSwapToo) {
  oci::Resources asked;
  asked.memory.limit = -1;
  EXPECT_EQ(lines(memory_v1(asked)),
            (Lines{"memory.limit_in_bytes=-1", "memory.memsw.limit_in_bytes=-1"}));
}

TEST(LimitsV2, Conversions) {
  oci::Resources asked;
  asked.memory.limit = 64 << 20;
  asked.memory.swap = 96 << 20;
  asked.memory.reservation = 32 << 20;
  EXPECT_EQ(lines(memory_v2(asked)),
            (Lines{"memory.max=67108864", "memory.swap.max=33554432", "memory.low=33554432"}));
  asked.memory.swap = -1;
  asked.memory.limit = -1;
  EXPECT_EQ(lines(memory_v2(asked))[0], "memory.max=max");
  EXPECT_EQ(lines(memory_v2(asked))[1], "memory.swap.max=max");

  const std::pair<std::uint64_t, const char*> weights[] = {{2, "cpu.weight=1"},
                                                           {1024, "cpu.weight=39"},
                                                           {262144, "cpu.weight=10000"},
                                                           {1, "cpu.weight=1"},
                                                           {1 << 30, "cpu.weight=10000"}};
  for (const auto& [shares, line] : weights) {
    asked.cpu = {.shares = shares};
    EXPECT_EQ(lines(cpu_v2(asked)), Lines{line});
  }
  asked.cpu = {.period = 50000};
  EXPECT_EQ(lines(cpu_v2(asked)), Lines{"cpu.max=max 50000"});
  asked.cpu = {.burst = 10, .quota = 20000, .idle = 1};
  EXPECT_EQ(lines(cpu_v2(asked)),
            (Lines{"cpu.max=20000 100000", "cpu.max.burst=10", "cpu.idle=1"}));

  asked.block_io.weight = 1000;
  asked.block_io.weight_device = {{.major = 8, .minor = 16, .weight = 10}};
  asked.block_io.read_bps = {{8, 0, 1000}};
  asked.block_io.write_iops = {{8, 0, 0}};
  EXPECT_EQ(lines(block_io_v2(asked)), (Lines{"io.weight=default 10000", "io.weight=8:16 1",
                                              "io.max=8:0 rbps=1000", "io.max=8:0 wiops=max"}));
  asked.hugepage_limits = {{"1GB", 0}};
  EXPECT_EQ(lines(hugetlb_v2(asked)), (Lines{"hugetlb.1GB.max=0", "hugetlb.1GB.rsvd.max=0"}));
}

TEST(LimitsV2, WhatOnlyV1HasIsRefused) {
  const auto refused = [](auto change, auto make) {
    oci::Resources asked;
    change(asked);
    return lines(make(asked));
  };
  const Lines no = {"cgroup.v2-unsupported"};
  EXPECT_EQ(refused([](auto& r) { r.memory.kernel = 1; }, memory_v2), no);
  EXPECT_EQ(refused([](auto& r) { r.memory.kernel_tcp = 1; }, memory_v2), no);
  EXPECT_EQ(refused([](auto& r) { r.memory.swappiness = 60; }, memory_v2), no);
  EXPECT_EQ(refused([](auto& r) { r.memory.disable_oom_killer = true; }, memory_v2), no);
  EXPECT_EQ(refused([](auto& r) { r.cpu.realtime_runtime = 5; }, cpu_v2), no);
  EXPECT_EQ(refused([](auto& r) { r.block_io.leaf_weight = 50; }, block_io_v2), no);
}

TEST(Limits, MalformedValuesAreRefused) {
  const auto rule = [](auto change, auto make) {
    oci::Resources asked;
    change(asked);
    const auto settings = make(asked);
    return settings ? "accepted" : settings.error().rule;
  };
  const std::string no = "cgroup.limit";
  EXPECT_EQ(rule([](auto& r) { r.memory.swap = 5; }, memory_v2), no) << "swap without memory";
  EXPECT_EQ(rule(
                [](auto& r) {
                  r.memory.limit = 9;
                  r.memory.swap = 5;
                },
                memory_v2),
            no);
  EXPECT_EQ(rule([](auto& r) { r.block_io.weight = 9; }, block_io_v1), no);
  EXPECT_EQ(rule([](auto& r) { r.block_io.weight = 1001; }, block_io_v2), no);
  for (const char* size : {"2", "MB", "2TB", "2MB/../x", "-2MB", "0KB", "4096MB"}) {
    EXPECT_EQ(rule([&](auto& r) { r.hugepage_limits = {{size, 1}}; }, hugetlb_v1), no) << size;
  }
  for (const char* cpus : {"a", "1-", "3-1", "0;1", "99999999", "0 1"}) {
    EXPECT_EQ(rule([&](auto& r) { r.cpu.cpus = cpus; }, cpuset_both), no) << cpus;
  }
  EXPECT_EQ(rule([](auto& r) { r.net_priorities = {{"eth0\neth1", 1}}; }, net_prio_v1), no);
  EXPECT_EQ(rule([](auto& r) { r.rdma = {{"a b", {1, 1}}}; }, rdma_both), no);
}

TEST(Limits, UnifiedNamesAreControllerFilesOnly) {
  oci::Resources asked;
  asked.unified = {{"memory.high", "1G"}, {"io.max", "8:0 rbps=5\n8:1 rbps=6"}};
  EXPECT_EQ(lines(unified_settings(asked)),
            (Lines{"memory.high=1G", "io.max=8:0 rbps=5\n8:1 rbps=6"}));
  for (const char* name : {"cgroup.procs", "cgroup.freeze", "../memory.max", "memory/max", "memory",
                           ".max", "", "memory.max\n"}) {
    asked.unified = {{name, "1"}};
    EXPECT_EQ(lines(unified_settings(asked)), Lines{"cgroup.unified"}) << name;
  }
}

TEST(ReadBack, ComparesAsTheKernelWrites) {
  const Setting pages{.value = "5000", .compare = Compare::bytes, .unit = 4096};
  EXPECT_TRUE(holds(pages, "4096\n"));
  EXPECT_FALSE(holds(pages, "5000\n"));
  EXPECT_FALSE(holds(pages, "0\n"));
  EXPECT_FALSE(holds(pages, "max\n"));
  const Setting none{.value = "-1", .compare = Compare::bytes, .unit = 4096};
  EXPECT_TRUE(holds(none, "9223372036854771712\n"));
  EXPECT_TRUE(holds(none, "max\n"));
  EXPECT_FALSE(holds(none, "4096\n"));
  const Setting list{.value = "0-1,3", .compare = Compare::list};
  EXPECT_TRUE(holds(list, "0,1,3\n"));
  EXPECT_FALSE(holds(list, "0-3\n"));
  const Setting table{.value = "8:0 rbps=1000"};
  EXPECT_TRUE(holds(table, "8:16 rbps=5\n8:0 rbps=1000 wbps=max riops=max wiops=max\n"));
  EXPECT_FALSE(holds(table, "8:0 rbps=10 wbps=max\n"));
  EXPECT_FALSE(holds(table, ""));
  EXPECT_TRUE(holds({.value = "8:0 wiops=max"}, "8:16 wiops=4\n"));
  EXPECT_FALSE(holds({.value = "8:0 wiops=max"}, "8:0 wiops=4\n"));
  EXPECT_TRUE(holds({.value = "1", .readback = "oom_kill_disable 1"},
                    "oom_kill_disable 1\nunder_oom 0\noom_kill 0\n"));
  EXPECT_FALSE(
      holds({.value = "1", .readback = "oom_kill_disable 1"}, "oom_kill_disable 0\nunder_oom 1\n"));
  EXPECT_FALSE(holds({.value = "512"}, "1024\n"));
}

TEST(ReadBack, RandomTextsNeverCrash) {
  std::mt19937 random(5);
  const std::string alphabet = "0123456789-,:. \nmaxKG=";
  for (int round = 0; round < 5000; ++round) {
    const auto text = [&] {
      std::string out;
      for (auto n = random() % 24; n > 0; --n) out += alphabet[random() % alphabet.size()];
      return out;
    };
    const Setting one{.value = text(), .compare = static_cast<Compare>(random() % 3), .unit = 4096};
    (void)holds(one, text());
  }
}

TEST(ValueToRestore, OfEachKindOfFile) {
  const auto value = [](const char* file, const char* wrote, const char* before) {
    return value_to_restore({.file = file, .value = wrote}, before);
  };
  EXPECT_EQ(value("pids.max", "5", "max\n"), "max");
  EXPECT_EQ(value("cpu.max", "5000 100000", "max 100000\n"), "max 100000");
  EXPECT_EQ(value("io.weight", "default 50", "default 100\n8:0 7\n"), "default 100");
  EXPECT_EQ(value("io.max", "8:16 rbps=5", "8:0 rbps=1\n8:16 rbps=max wbps=3\n"),
            "8:16 rbps=max wbps=3");
  EXPECT_EQ(value("blkio.weight", "50", "500\n"), "500");
  EXPECT_EQ(value("pids.max", "5", ""), "");
  const Setting oom{.file = "memory.oom_control", .value = "1", .readback = "oom_kill_disable 1"};
  EXPECT_EQ(value_to_restore(oom, "oom_kill_disable 0\nunder_oom 0\n"), "0");
  EXPECT_EQ(value_to_restore(oom, "oom_kill_disable 1\nunder_oom 0\n"), "1");
  EXPECT_EQ(value_to_restore(oom, ""), "0");
}

}  // namespace
}  // namespace casemate::cgroup
