#include "shim/run/limit_request.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "shim/plan/compile.h"
#include "shim/plan/resources.h"
#include "tests/unit/base/outcome.h"

namespace casemate::run {
namespace {

TEST(ParseBytes, Units) {
  EXPECT_EQ(parse_bytes("0"), 0);
  EXPECT_EQ(parse_bytes("67108864"), 67108864);
  for (const char* text : {"64m", "64M", "64mb", "64MiB", "64 m", "0.0625g", "65536k"})
    EXPECT_EQ(parse_bytes(text), 64 << 20) << text;
  EXPECT_EQ(parse_bytes("1b"), 1);
  EXPECT_EQ(parse_bytes("2t"), std::int64_t{2} << 40);
  EXPECT_EQ(parse_bytes("1P"), std::int64_t{1} << 50);
  EXPECT_EQ(parse_bytes("9223372036854775807"), std::numeric_limits<std::int64_t>::max());
}

TEST(ParseBytes, Nonsense) {
  for (const char* text : {"",      "m",           "-1",    "-64m",  "+1",    "64x",
                           "64mm",  "64m ",        " 64m",  "64  m", "1..5m", ".5m",
                           "5.m",   "0x10",        "1e3",   "nan",   "inf",   "9223372036854775808",
                           "8192p", "9000000000t", "1.5.5g"})
    EXPECT_EQ(parse_bytes(text), std::nullopt) << text;
  EXPECT_EQ(parse_bytes(std::string_view("64m\0", 4)), std::nullopt);
}

TEST(ParseBytes, NeverNegative) {
  std::mt19937 random(5);
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    for (auto i = random() % 24; i > 0; --i) text += "0123456789.kmgtpiB- "[random() % 20];
    const auto bytes = parse_bytes(text);
    EXPECT_GE(bytes.value_or(0), 0) << text;
  }
}

TEST(SetLimit, EachOption) {
  oci::Resources r;
  const std::pair<const char*, const char*> all[] = {
      {"--memory", "64m"},       {"--memory-reservation", "1k"}, {"--memory-swap", "-1"},
      {"--kernel-memory", "2k"}, {"--kernel-memory-tcp", "3k"},  {"--cpu-period", "100000"},
      {"--cpu-quota", "-1"},     {"--cpu-burst", "7"},           {"--cpu-share", "512"},
      {"--cpu-idle", "0"},       {"--cpu-rt-period", "8"},       {"--cpu-rt-runtime", "9"},
      {"--cpuset-cpus", "0-1"},  {"--cpuset-mems", "0"},         {"--pids-limit", "-1"},
      {"--blkio-weight", "500"}};
  for (const auto& [option, value] : all) EXPECT_TRUE(set_limit(r, option, value)) << option;
  EXPECT_EQ(r.memory.limit, 64 << 20);
  EXPECT_EQ(r.memory.reservation, 1024);
  EXPECT_EQ(r.memory.swap, -1);
  EXPECT_EQ(r.memory.kernel, 2048);
  EXPECT_EQ(r.memory.kernel_tcp, 3072);
  EXPECT_EQ(r.cpu.period, 100000u);
  EXPECT_EQ(r.cpu.quota, -1);
  EXPECT_EQ(r.cpu.burst, 7u);
  EXPECT_EQ(r.cpu.shares, 512u);
  EXPECT_EQ(r.cpu.idle, 0);
  EXPECT_EQ(r.cpu.realtime_period, 8u);
  EXPECT_EQ(r.cpu.realtime_runtime, 9);
  EXPECT_EQ(r.cpu.cpus + " " + r.cpu.mems, "0-1 0");
  EXPECT_EQ(r.pids_limit, -1);
  EXPECT_EQ(r.block_io.weight, 500u);
}

TEST(SetLimit, Refused) {
  oci::Resources r;
  for (const char* option : {"--memory", "--memory-swap", "--cpu-period", "--cpu-quota",
                             "--cpu-share", "--pids-limit", "--blkio-weight", "--cpuset-cpus"})
    for (const char* value : {"x", "1 2", "99999999999999999999", "0x1"})
      EXPECT_EQ(
          rule_of(set_limit(r, option, value)),
          std::string(option) == "--cpuset-cpus" && std::string(value) == "99999999999999999999"
              ? "(success)"  // shaped like a list; the kernel has the last word
              : "update.value")
          << option << " " << value;
  EXPECT_EQ(rule_of(set_limit(r, "--cpu-period", "-1")), "update.value");
  EXPECT_EQ(rule_of(set_limit(r, "--memory", "-2")), "update.value");
  EXPECT_EQ(rule_of(set_limit(r, "--l3-cache-schema", "L3:0=f")), "update.rdt");
  EXPECT_EQ(rule_of(set_limit(r, "--mem-bw-schema", "MB:0=10")), "update.rdt");
}

TEST(CheckRequest, NegativeLimits) {
  EXPECT_TRUE(check_request({}));
  oci::Resources none;
  none.memory.limit = none.memory.swap = none.pids_limit = none.cpu.quota = -1;
  EXPECT_TRUE(check_request(none));
  for (int field = 0; field < 6; ++field) {
    oci::Resources bad;
    std::optional<std::int64_t>* const fields[] = {&bad.memory.limit,         &bad.memory.swap,
                                                   &bad.memory.reservation,   &bad.cpu.quota,
                                                   &bad.cpu.realtime_runtime, &bad.pids_limit};
    *fields[field] = -2;
    EXPECT_EQ(rule_of(check_request(bad)), "update.value") << field;
  }
}

oci::Resources base() {
  oci::Resources r;
  r.memory.limit = 100;
  r.memory.swap = 200;
  r.cpu.quota = 50000;
  r.cpu.period = 100000;
  r.cpu.cpus = "0-3";
  r.pids_limit = 10;
  r.unified = {{"memory.high", "90"}};
  return r;
}

TEST(MergeLimits, ZeroIsAsItIs) {
  oci::Resources asked;
  asked.memory.limit = 0;
  asked.memory.swap = 0;
  asked.cpu.quota = 0;
  asked.cpu.shares = 0;
  asked.pids_limit = 0;
  asked.block_io.weight = 0;
  const auto merged = merge_limits(base(), asked);
  EXPECT_EQ(plan::to_json(merged), plan::to_json(base()));
  EXPECT_EQ(plan::to_json(limits_to_write(base(), asked, merged)), plan::to_json(oci::Resources{}));
}

TEST(MergeLimits, WhatIsAsked) {
  oci::Resources asked;
  asked.memory.limit = 150;
  asked.cpu.idle = 0;
  asked.cpu.cpus = "1";
  asked.unified = {{"memory.high", "max"}, {"cpu.weight", "5"}};
  const auto merged = merge_limits(base(), asked);
  EXPECT_EQ(merged.memory.limit, 150);
  EXPECT_EQ(merged.memory.swap, 200);
  EXPECT_EQ(merged.cpu.idle, 0);
  EXPECT_EQ(merged.cpu.cpus, "1");
  EXPECT_EQ(merged.cpu.quota, 50000);
  EXPECT_EQ(merged.pids_limit, 10);
  EXPECT_EQ(merged.unified.size(), 2u);
  const auto write = limits_to_write(base(), asked, merged);
  EXPECT_EQ(write.memory.limit, 150);
  EXPECT_EQ(write.memory.swap, 200) << "goes with the limit";
  EXPECT_EQ(write.cpu.idle, 0);
  EXPECT_EQ(write.cpu.cpus, "1");
  EXPECT_EQ(write.cpu.quota, std::nullopt);
  EXPECT_EQ(write.pids_limit, std::nullopt);
  EXPECT_EQ(write.unified.size(), 2u);
}

TEST(MergeLimits, HugePagesAndRdmaByName) {
  oci::Resources before, asked;
  before.hugepage_limits = {{"2MB", 100}, {"1GB", 200}};
  before.rdma["one"] = {1, 2};
  before.rdma["two"] = {3, 4};
  asked.hugepage_limits = {{"2MB", 0}, {"64KB", 5}};
  asked.rdma["two"] = {{}, 9};
  asked.rdma["three"] = {7, {}};
  auto merged = merge_limits(before, asked);
  ASSERT_EQ(merged.hugepage_limits.size(), 3u);
  EXPECT_EQ(merged.hugepage_limits[0], (std::pair<std::string, std::uint64_t>("1GB", 200)));
  EXPECT_EQ(merged.hugepage_limits[1].second, 0u) << "none of them, and not \"as it is\"";
  EXPECT_EQ(merged.rdma.at("one"), before.rdma.at("one"));
  EXPECT_EQ(merged.rdma.at("two").first, 3u);
  EXPECT_EQ(merged.rdma.at("two").second, 9u);
  auto write = limits_to_write(before, asked, merged);
  EXPECT_EQ(write.hugepage_limits.size(), 2u);
  EXPECT_EQ(write.rdma.size(), 2u);
  EXPECT_FALSE(write.rdma.contains("one"));
  merged.rdma["one"] = {0, 0};  // the policy's word
  EXPECT_TRUE(limits_to_write(before, asked, merged).rdma.contains("one"));
  EXPECT_EQ(plan::to_json(limits_to_write(before, {}, before)), plan::to_json(oci::Resources{}));
}

TEST(MergeLimits, WithoutALimitTheSumWithSwapHasNone) {
  oci::Resources asked;
  asked.memory.limit = -1;
  EXPECT_EQ(merge_limits(base(), asked).memory.swap, -1);
  asked.memory.swap = 300;
  EXPECT_EQ(merge_limits(base(), asked).memory.swap, 300);
  EXPECT_EQ(merge_limits({}, asked).memory.limit, -1);
}

TEST(LimitsToWrite, PairsAndWhatThePolicyChanged) {
  oci::Resources asked;
  asked.cpu.period = 200000;
  auto merged = merge_limits(base(), asked);
  merged.pids_limit = 5;  // a ceiling that is new
  const auto write = limits_to_write(base(), asked, merged);
  EXPECT_EQ(write.cpu.period, 200000u);
  EXPECT_EQ(write.cpu.quota, 50000);
  EXPECT_EQ(write.pids_limit, 5);
  EXPECT_EQ(write.memory.limit, std::nullopt);
}

// The plan of a container as `create` stores it.
Json stored(oci::Resources r) {
  return plan::to_json(plan::with_default_devices(std::move(r)));
}

TEST(CheckFixed, TheSameAgainPasses) {
  oci::Resources r = base();
  r.devices = {{.allow = false, .access = "rwm"}};
  r.block_io.read_bps = {{8, 0, 1000}};
  r.net_class_id = 7;
  r.memory.swappiness = 10;
  EXPECT_TRUE(check_fixed(stored(r), r));
  EXPECT_TRUE(check_fixed(stored(r), {})) << "nothing asked";
}

TEST(CheckFixed, AnythingElseIsRefused) {
  oci::Resources r = base();
  r.devices = {{.allow = false, .access = "rwm"}};
  const Json plan = stored(r);
  const auto refused = [&](auto change) {
    oci::Resources asked;
    change(asked);
    return rule_of(check_fixed(plan, asked));
  };
  EXPECT_EQ(refused([](auto& a) { a.block_io.write_iops = {{8, 0, 1}}; }), "update.fixed");
  EXPECT_EQ(refused([](auto& a) { a.block_io.leaf_weight = 10; }), "update.fixed");
  EXPECT_EQ(refused([](auto& a) { a.net_class_id = 1; }), "update.fixed");
  EXPECT_EQ(refused([](auto& a) { a.net_priorities = {{"lo", 1}}; }), "update.fixed");
  EXPECT_EQ(refused([](auto& a) { a.memory.swappiness = 60; }), "update.fixed");
  EXPECT_EQ(refused([](auto& a) { a.memory.disable_oom_killer = true; }), "update.fixed");
  EXPECT_EQ(refused([](auto& a) { a.devices = {{.allow = true, .access = "rwm"}}; }),
            "update.devices");
  EXPECT_EQ(refused([](auto& a) { a.memory.limit = 5; }), "(success)");
  EXPECT_EQ(refused([](auto& a) { a.hugepage_limits = {{"2MB", 1}}; }), "(success)");
  EXPECT_EQ(refused([](auto& a) { a.rdma["mlx"] = {1, 2}; }), "(success)");
}

}  // namespace
}  // namespace casemate::run
