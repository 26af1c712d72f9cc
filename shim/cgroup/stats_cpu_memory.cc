// CPU and memory figures of v1 and v2.
#include <unistd.h>

#include "shim/cgroup/files.h"
#include "shim/cgroup/stats.h"

namespace casemate::cgroup {
namespace {

using namespace stats;

constexpr std::uint64_t kSecond = 1'000'000'000;  // nanoseconds

void put_throttling(Json& out, const Json& cpu_stat, std::uint64_t throttled_ns) {
  Json one = Json::object();
  put_nonzero(one, "periods", cpu_stat.value("nr_periods", std::uint64_t{0}));
  put_nonzero(one, "throttledPeriods", cpu_stat.value("nr_throttled", std::uint64_t{0}));
  put_nonzero(one, "throttledTime", throttled_ns);
  out["throttling"] = std::move(one);
}

// cpuacct.usage_all: a line "cpu user system" for each processor, below a heading.
void put_per_processor(Json& usage, const StatReader& cpuacct) {
  Json all = Json::array();
  const std::string totals = cpuacct("cpuacct.usage_percpu").value_or("");
  for (const std::string_view word : words(totals)) all.push_back(number(word));
  Json kernel = Json::array();
  Json user = Json::array();
  const std::string text = cpuacct("cpuacct.usage_all").value_or("");
  for (const std::string_view line : split(text, '\n')) {
    const auto columns = words(line);
    if (columns.size() != 3 || columns[0] == "cpu") continue;
    user.push_back(number(columns[1]));
    kernel.push_back(number(columns[2]));
  }
  if (!all.empty()) usage["percpu"] = std::move(all);
  if (!kernel.empty()) usage["percpu_kernel"] = std::move(kernel);
  if (!user.empty()) usage["percpu_user"] = std::move(user);
}

struct MemoryFiles {
  std::string limit, usage, max, failcnt;
};
Json memory_entry(const StatReader& read, const MemoryFiles& files) {
  Json one = {{"limit", limit_in(read, files.limit)}, {"failcnt", number_in(read, files.failcnt)}};
  put_nonzero(one, "usage", number_in(read, files.usage));
  put_nonzero(one, "max", number_in(read, files.max));
  return one;
}

Json entry_v1(const StatReader& read, const std::string& prefix) {
  return memory_entry(read, {prefix + "limit_in_bytes", prefix + "usage_in_bytes",
                             prefix + "max_usage_in_bytes", prefix + "failcnt"});
}

}  // namespace

Json cpu_stats_v1(const StatReader& cpu, const StatReader& cpuacct) {
  const auto ticks = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
  const Json times = flat_map(cpuacct("cpuacct.stat"));
  const Json throttled = flat_map(cpu("cpu.stat"));
  Json usage = {{"kernel", times.value("system", std::uint64_t{0}) * (kSecond / ticks)},
                {"user", times.value("user", std::uint64_t{0}) * (kSecond / ticks)}};
  put_nonzero(usage, "total", number_in(cpuacct, "cpuacct.usage"));
  put_per_processor(usage, cpuacct);
  Json out = {{"usage", std::move(usage)}};
  put_throttling(out, throttled, throttled.value("throttled_time", std::uint64_t{0}));
  return out;
}

Json cpu_stats_v2(const StatReader& read) {
  constexpr std::uint64_t kMicrosecond = 1000;
  const Json stat = flat_map(read("cpu.stat"));
  const auto ns = [&](const char* key) { return stat.value(key, std::uint64_t{0}) * kMicrosecond; };
  Json usage = {{"kernel", ns("system_usec")}, {"user", ns("user_usec")}};
  put_nonzero(usage, "total", ns("usage_usec"));
  Json out = {{"usage", std::move(usage)}};
  put_throttling(out, stat, ns("throttled_usec"));
  return out;
}

Json memory_stats_v1(const StatReader& read) {
  const Json raw = flat_map(read("memory.stat"));
  Json out = {{"usage", entry_v1(read, "memory.")},
              {"swap", entry_v1(read, "memory.memsw.")},
              {"kernel", entry_v1(read, "memory.kmem.")},
              {"kernelTCP", entry_v1(read, "memory.kmem.tcp.")}};
  put_nonzero(out, "cache", raw.value("cache", std::uint64_t{0}));
  if (!raw.empty()) out["raw"] = raw;
  return out;
}

Json memory_stats_v2(const StatReader& read) {
  const Json raw = flat_map(read("memory.stat"));
  Json usage = memory_entry(read, {"memory.max", "memory.current", "memory.peak", ""});
  usage["failcnt"] = flat_map(read("memory.events")).value("max", std::uint64_t{0});
  Json swap =
      memory_entry(read, {"memory.swap.max", "memory.swap.current", "memory.swap.peak", ""});
  swap["failcnt"] = flat_map(read("memory.swap.events")).value("max", std::uint64_t{0});
  Json out = {{"usage", std::move(usage)},
              {"swap", std::move(swap)},
              {"kernel", {{"limit", 0}, {"failcnt", 0}}},
              {"kernelTCP", {{"limit", 0}, {"failcnt", 0}}}};
  put_nonzero(out, "cache", raw.value("file", std::uint64_t{0}));
  if (!raw.empty()) out["raw"] = raw;
  return out;
}

}  // namespace casemate::cgroup
