#include "shim/systemd/properties.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

namespace casemate::systemd {
namespace {

constexpr std::uint64_t kInfinity = UINT64_MAX;

using Ask = std::function<void(oci::Resources&)>;
struct Case {
  const char* what;
  Ask ask;
  Properties expected;
};

Properties made(const Ask& ask) {
  oci::Resources asked;
  ask(asked);
  auto out = limit_properties(asked);
  EXPECT_TRUE(out) << out.error().message();
  return out ? *out : Properties{};
}

TEST(LimitProperties, SayWhatTheFilesSay) {
  const Case cases[] = {
      {"nothing", [](auto&) {}, {}},
      {"zero is not asked for",
       [](auto& r) {
         r.memory.limit = 0;
         r.cpu.shares = 0;
         r.pids_limit = 0;
       },
       {}},
      {"memory",
       [](auto& r) {
         r.memory.limit = 64 << 20;
         r.memory.swap = 96 << 20;
         r.memory.reservation = 32 << 20;
       },
       {{"MemoryMax", "t", 64U << 20},
        {"MemorySwapMax", "t", 32U << 20},
        {"MemoryLow", "t", 32U << 20}}},
      {"memory without limit",
       [](auto& r) {
         r.memory.limit = -1;
         r.memory.swap = -1;
       },
       {{"MemoryMax", "t", kInfinity}, {"MemorySwapMax", "t", kInfinity}}},
      {"shares are the weight of the file",
       [](auto& r) { r.cpu.shares = 1024; },
       {{"CPUWeight", "t", 39U}}},
      {"half a processor",
       [](auto& r) {
         r.cpu.quota = 50'000;
         r.cpu.period = 100'000;
       },
       {{"CPUQuotaPerSecUSec", "t", 500'000U}, {"CPUQuotaPeriodUSec", "t", 100'000U}}},
      {"a quota rounds up to whole percents",
       [](auto& r) {
         r.cpu.quota = 33'333;
         r.cpu.period = 1'000'000;
       },
       {{"CPUQuotaPerSecUSec", "t", 40'000U}, {"CPUQuotaPeriodUSec", "t", 1'000'000U}}},
      {"no quota",
       [](auto& r) { r.cpu.quota = -1; },
       {{"CPUQuotaPerSecUSec", "t", kInfinity}, {"CPUQuotaPeriodUSec", "t", 100'000U}}},
      {"a quota beyond all numbers",
       [](auto& r) { r.cpu.quota = INT64_MAX; },
       {{"CPUQuotaPerSecUSec", "t", kInfinity}, {"CPUQuotaPeriodUSec", "t", 100'000U}}},
      {"idle is the weight zero, whatever the shares",
       [](auto& r) {
         r.cpu.shares = 1024;
         r.cpu.idle = 1;
       },
       {{"CPUWeight", "t", 0U}}},
      {"sets are masks",
       [](auto& r) {
         r.cpu.cpus = "0-1,9";
         r.cpu.mems = "0";
       },
       {{"AllowedCPUs", "ay", {3, 2}}, {"AllowedMemoryNodes", "ay", {1}}}},
      {"processes", [](auto& r) { r.pids_limit = 16; }, {{"TasksMax", "t", 16U}}},
      {"processes without limit",
       [](auto& r) { r.pids_limit = -1; },
       {{"TasksMax", "t", kInfinity}}},
      {"block IO; a device's weight is the file's alone",
       [](auto& r) {
         r.block_io.weight = 1000;
         r.block_io.weight_device = {{.major = 8, .minor = 0, .weight = 500}};
       },
       {{"IOWeight", "t", 10'000U}}},
      {"the unified map, which is written last, holds",
       [](auto& r) {
         r.memory.limit = 64 << 20;
         r.unified = {{"memory.max", "1048576"},   {"memory.high", "max"},
                      {"memory.min", "4096"},      {"cpu.max", "200000"},
                      {"io.weight", "default 50"}, {"pids.max", "9"},
                      {"cpuset.cpus", "1"},        {"memory.oom.group", "1"}};
       },
       {{"MemoryMax", "t", 1'048'576U},
        {"MemoryHigh", "t", kInfinity},
        {"MemoryMin", "t", 4096U},
        {"CPUQuotaPerSecUSec", "t", 2'000'000U},
        {"CPUQuotaPeriodUSec", "t", 100'000U},
        {"IOWeight", "t", 50U},
        {"TasksMax", "t", 9U},
        {"AllowedCPUs", "ay", {2}}}},
  };
  for (const Case& one : cases)
    EXPECT_EQ(dump(to_json(made(one.ask))), dump(to_json(one.expected))) << one.what;
}

TEST(LimitProperties, AValueThatSystemdCouldNotBeToldIsRefused) {
  for (const auto& [file, value] :
       std::vector<std::pair<std::string, std::string>>{{"memory.max", "64M"},
                                                        {"cpu.max", "1 2 3"},
                                                        {"cpu.max", "1000 0"},
                                                        {"cpuset.cpus", "one"},
                                                        {"pids.max", "-1"},
                                                        {"cpu.weight", ""}}) {
    oci::Resources asked;
    asked.unified = {{file, value}};
    const auto out = limit_properties(asked);
    ASSERT_FALSE(out) << file << " = " << value;
    EXPECT_EQ(out.error().rule, "cgroup.systemd-unified");
    EXPECT_EQ(out.error().pointer, "/linux/resources/unified/" + file);
  }
}

oci::DeviceRule allow(char type, std::optional<std::int64_t> major,
                      std::optional<std::int64_t> minor, const char* access) {
  return {true, type, major, minor, access};
}
constexpr auto kAny = std::nullopt;

TEST(DeviceProperties, AreNeverNarrowerThanTheRules) {
  const auto out =
      device_properties({{.allow = false, .access = "rwm"},
                         allow('c', kAny, kAny, "m"),
                         allow('b', kAny, kAny, "m"),
                         allow('c', 1, 3, "rw"),
                         allow('c', 136, kAny, "rwm"),
                         allow('b', 8, 0, "r"),
                         allow('c', 10, 200, "r"),
                         allow('c', 10, 200, "w"),
                         allow('c', kAny, 7, "r"),
                         {.allow = false, .type = 'c', .major = 136, .minor = 4, .access = "rwm"}});
  ASSERT_TRUE(out) << out.error().message();
  ASSERT_EQ(out->size(), 2u);
  EXPECT_EQ((*out)[0], (Property{"DevicePolicy", "s", "strict"}));
  // One entry must allow all that is asked for at once: what wider rules allow is in each.
  EXPECT_EQ(dump((*out)[1].value),
            R"([["/dev/block/8:0","rm"],["/dev/char/10:200","rwm"],["/dev/char/1:3","rwm"],)"
            R"(["block-*","m"],["char-*","rm"],["char-136","rwm"]])");
  EXPECT_EQ((*out)[1].name, "DeviceAllow");
  EXPECT_EQ((*out)[1].type, "a(ss)");
}

TEST(DeviceProperties, WhatIsAllowedByDefaultSystemdLeavesToUs) {
  const auto all = device_properties(
      {{.allow = true, .access = "rwm"}, {.allow = false, .type = 'c', .major = 1, .minor = 3}});
  ASSERT_TRUE(all);
  EXPECT_EQ(dump(to_json(*all)),
            R"json([["DevicePolicy","s","auto"],["DeviceAllow","a(ss)",[]]])json");
  const auto none = device_properties({});
  ASSERT_TRUE(none);
  EXPECT_TRUE(none->empty());
}

TEST(ScopeProperties, TheGroupIsTheContainersAndGoesWithIt) {
  const Json all = to_json(scope_properties("machine.slice"));
  const auto has = [&](const Json& one) { return std::ranges::find(all, one) != all.end(); };
  EXPECT_TRUE(has({"Slice", "s", "machine.slice"}));
  EXPECT_TRUE(has({"Delegate", "b", true}));
  EXPECT_TRUE(has({"DefaultDependencies", "b", false}));
  EXPECT_TRUE(has({"CollectMode", "s", "inactive-or-failed"}));
  EXPECT_TRUE(has({"PIDs", "au", {0}}));
  EXPECT_TRUE(has({"MemoryAccounting", "b", true}));
}

TEST(Reverted, IsWhatWasBeforeOrNotSet) {
  const Properties before = {{"MemoryMax", "t", 5U}, {"TasksMax", "t", 7U}};
  const Properties changed = {{"MemoryMax", "t", 6U},
                              {"MemoryLow", "t", 1U},
                              {"CPUWeight", "t", 100U},
                              {"AllowedCPUs", "ay", {1}}};
  EXPECT_EQ(dump(to_json(reverted(changed, before))),
            R"([["MemoryMax","t",5],["MemoryLow","t",0],)"
            R"(["CPUWeight","t",18446744073709551615],["AllowedCPUs","ay",[]]])");
}

}  // namespace
}  // namespace casemate::systemd
