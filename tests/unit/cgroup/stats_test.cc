// Figures in the shape of runc's events.
#include "shim/cgroup/stats.h"

#include <gtest/gtest.h>

#include <map>

#include "shim/cgroup/oom.h"

namespace casemate::cgroup {
namespace {

StatReader files(std::map<std::string, std::string> all) {
  return [all = std::move(all)](const std::string& file) -> std::optional<std::string> {
    const auto found = all.find(file);
    return found == all.end() ? std::nullopt : std::optional(found->second);
  };
}

Json parsed(const char* text) {
  return Json::parse(text);
}

TEST(Stats, CpuV1) {
  const auto cpu = files({{"cpu.stat", "nr_periods 5\nnr_throttled 2\nthrottled_time 300\n"}});
  const auto cpuacct = files({{"cpuacct.usage", "14295272\n"},
                              {"cpuacct.usage_percpu", "12274440 2020832 \n"},
                              {"cpuacct.usage_all", "cpu user system\n0 40 120\n1 0 0\n"},
                              {"cpuacct.stat", "user 1\nsystem 3\n"}});
  EXPECT_EQ(cpu_stats_v1(cpu, cpuacct), parsed(R"({
    "usage": {"total": 14295272, "percpu": [12274440, 2020832], "percpu_kernel": [120, 0],
              "percpu_user": [40, 0], "kernel": 30000000, "user": 10000000},
    "throttling": {"periods": 5, "throttledPeriods": 2, "throttledTime": 300}})"));
  EXPECT_EQ(cpu_stats_v1(files({}), files({})),
            parsed(R"({"usage": {"kernel": 0, "user": 0}, "throttling": {}})"));
}

TEST(Stats, CpuV2) {
  EXPECT_EQ(cpu_stats_v2(files({{"cpu.stat",
                                 "usage_usec 9\nuser_usec 4\nsystem_usec 5\nnr_periods 1\n"
                                 "nr_throttled 1\nthrottled_usec 2\n"}})),
            parsed(R"({"usage": {"total": 9000, "kernel": 5000, "user": 4000},
    "throttling": {"periods": 1, "throttledPeriods": 1, "throttledTime": 2000}})"));
}

TEST(Stats, MemoryV1) {
  const auto read = files({{"memory.limit_in_bytes", "67108864\n"},
                           {"memory.usage_in_bytes", "696320\n"},
                           {"memory.max_usage_in_bytes", "2764800\n"},
                           {"memory.failcnt", "3\n"},
                           {"memory.memsw.limit_in_bytes", "9223372036854771712\n"},
                           {"memory.stat", "cache 4096\nrss 57344\n"}});
  EXPECT_EQ(memory_stats_v1(read), parsed(R"({"cache": 4096,
    "usage": {"limit": 67108864, "usage": 696320, "max": 2764800, "failcnt": 3},
    "swap": {"limit": 9223372036854771712, "failcnt": 0},
    "kernel": {"limit": 0, "failcnt": 0}, "kernelTCP": {"limit": 0, "failcnt": 0},
    "raw": {"cache": 4096, "rss": 57344}})"));
}

TEST(Stats, MemoryV2) {
  const auto read = files({{"memory.max", "max\n"},
                           {"memory.current", "5\n"},
                           {"memory.peak", "6\n"},
                           {"memory.events", "low 0\nmax 7\noom 1\noom_kill 1\n"},
                           {"memory.swap.max", "10\n"},
                           {"memory.stat", "file 8\n"}});
  EXPECT_EQ(memory_stats_v2(read), parsed(R"({"cache": 8,
    "usage": {"limit": 18446744073709551615, "usage": 5, "max": 6, "failcnt": 7},
    "swap": {"limit": 10, "failcnt": 0},
    "kernel": {"limit": 0, "failcnt": 0}, "kernelTCP": {"limit": 0, "failcnt": 0},
    "raw": {"file": 8}})"));
}

TEST(Stats, BlockIo) {
  const auto v1 = files({{"blkio.throttle.io_service_bytes_recursive",
                          "8:0 Read 4096\n8:0 Write 0\n8:0 Total 4096\nTotal 4096\n"},
                         {"blkio.bfq.io_serviced_recursive", "Total 0\n"},
                         {"blkio.throttle.io_serviced_recursive", "8:16 Read 1\nTotal 1\n"},
                         {"blkio.bfq.sectors_recursive", "8:0 12\n"}});
  EXPECT_EQ(block_io_stats_v1(v1), parsed(R"({
    "ioServiceBytesRecursive": [{"major": 8, "op": "Read", "value": 4096},
      {"major": 8, "op": "Write"}, {"major": 8, "op": "Total", "value": 4096}],
    "ioServicedRecursive": [{"major": 8, "minor": 16, "op": "Read", "value": 1}],
    "sectorsRecursive": [{"major": 8, "value": 12}]})"));
  EXPECT_EQ(block_io_stats_v1(files({})), Json::object());
  EXPECT_EQ(block_io_stats_v2(files({{"io.stat", "8:0 rbytes=1 wbytes=2 rios=3 wios=4\n"}})),
            parsed(R"({
    "ioServiceBytesRecursive": [{"major": 8, "op": "Read", "value": 1},
      {"major": 8, "op": "Write", "value": 2}],
    "ioServicedRecursive": [{"major": 8, "op": "Read", "value": 3},
      {"major": 8, "op": "Write", "value": 4}]})"));
  EXPECT_EQ(block_io_stats_v2(files({})), Json::object());
}

TEST(Stats, PidsHugePagesAndProcessors) {
  EXPECT_EQ(pids_stats(files({{"pids.current", "2\n"}, {"pids.max", "max\n"}})),
            parsed(R"({"current": 2})"));
  EXPECT_EQ(hugetlb_stats(files({{"hugetlb.2MB.usage_in_bytes", "0\n"},
                                 {"hugetlb.2MB.max_usage_in_bytes", "2097152\n"},
                                 {"hugetlb.2MB.failcnt", "1\n"}}),
                          false),
            parsed(R"({"2MB": {"max": 2097152, "failcnt": 1}})"));
  EXPECT_EQ(hugetlb_stats(
                files({{"hugetlb.1GB.current", "1\n"}, {"hugetlb.1GB.events", "max 4\n"}}), true),
            parsed(R"({"1GB": {"usage": 1, "failcnt": 4}})"));
  const Json v1 = cpuset_stats(files({{"cpuset.cpus", "0-2,5\n"},
                                      {"cpuset.mems", "0\n"},
                                      {"cpuset.sched_load_balance", "1\n"},
                                      {"cpuset.sched_relax_domain_level", "-1\n"}}),
                               false);
  EXPECT_EQ(v1["cpus"], parsed("[0, 1, 2, 5]"));
  EXPECT_EQ(v1["mems"], parsed("[0]"));
  EXPECT_EQ(v1["sched_load_balance"], 1);
  EXPECT_EQ(v1["sched_relax_domain_level"], -1);
  EXPECT_EQ(cpuset_stats(files({}), true).size(), 9u);
}

TEST(Stats, DamagedFilesAreZeros) {
  const auto read = files({{"cpu.stat", "usage_usec\nuser_usec x y\n\0\n"},
                           {"io.stat", "rbytes\n8:0 rbytes=\n"},
                           {"memory.stat", "x"},
                           {"cpuset.cpus", "9-,-4,0-99999999999999999999"}});
  EXPECT_EQ(cpu_stats_v2(read)["usage"]["user"], 0);
  EXPECT_FALSE(memory_stats_v2(read).contains("raw"));
  EXPECT_LE(cpuset_stats(read, false)["cpus"].size(), 70000u);
}

TEST(FlatNumber, OfAKey) {
  EXPECT_EQ(flat_number("oom 3\noom_kill 12\n", "oom_kill"), 12u);
  EXPECT_EQ(flat_number("oom 3\n", "oom_kill"), 0u);
  EXPECT_EQ(flat_number("", "oom"), 0u);
}

}  // namespace
}  // namespace casemate::cgroup
