#include "shim/plan/resources.h"

#include <gtest/gtest.h>

#include "tests/unit/base/outcome.h"

namespace casemate::plan {
namespace {

oci::Resources all() {
  oci::Resources r;
  r.memory.limit = 100;
  r.memory.reservation = 50;
  r.memory.swap = -1;
  r.cpu = {.shares = 1,
           .period = 2,
           .realtime_period = 3,
           .burst = 4,
           .quota = -1,
           .realtime_runtime = 5,
           .idle = 0,
           .cpus = "0-1",
           .mems = "0"};
  r.pids_limit = 7;
  r.block_io.weight = 500;
  r.hugepage_limits = {{"2MB", 4096}, {"1GB", 0}};
  r.rdma["mlx5_0"] = {3, {}};
  r.rdma["mlx5_1"] = {{}, 4};
  r.unified = {{"memory.high", "64M"}, {"cpu.weight", "9"}};
  return r;
}

TEST(ChangeableResources, ComeBackAsTheyWere) {
  const Json stored = to_json(all());
  const auto back = changeable_resources(stored);
  ASSERT_TRUE(back) << back.error().message();
  EXPECT_EQ(to_json(*back), stored);
  EXPECT_EQ(to_json(changeable_resources(to_json(oci::Resources{})).value()),
            to_json(oci::Resources{}));
}

TEST(ChangeableResources, NothingElse) {
  oci::Resources r;
  r.net_class_id = 1;
  r.devices = {{.allow = true, .access = "rwm"}};
  r.memory.swappiness = 5;
  EXPECT_EQ(to_json(changeable_resources(to_json(r)).value()), to_json(oci::Resources{}));
}

TEST(ChangeableResources, DamagedPlans) {
  for (const char* pointer : {"/memory/limit", "/cpu/quota", "/pids", "/blockIO/weight"}) {
    Json stored = to_json(all());
    stored[Json::json_pointer(pointer)] = "many";
    EXPECT_FALSE(changeable_resources(stored)) << pointer;
  }
  for (const char* unified : {R"([["a"]])", R"([["a",1]])", R"(["a"])", "[7]"}) {
    Json stored = to_json(all());
    stored["unified"] = Json::parse(unified);
    EXPECT_EQ(rule_of(changeable_resources(stored)), "plan.resources") << unified;
  }
  for (const char* pages : {R"([["2MB"]])", R"([["2MB","1"]])", R"([["2MB",-1]])", "[7]"}) {
    Json stored = to_json(all());
    stored["hugepages"] = Json::parse(pages);
    EXPECT_EQ(rule_of(changeable_resources(stored)), "plan.resources") << pages;
  }
  for (const char* rdma : {"7", R"({"mlx":1})", R"({"mlx":{"handles":4294967296}})"}) {
    Json stored = to_json(all());
    stored["rdma"] = Json::parse(rdma);
    EXPECT_FALSE(changeable_resources(stored)) << rdma;
  }
  EXPECT_FALSE(changeable_resources(Json::object()));
  EXPECT_FALSE(changeable_resources(Json::array()));
}

TEST(ReplaceChangeable, LeavesTheRest) {
  oci::Resources before = all();
  before.net_class_id = 1;
  before.devices = {{.allow = true, .access = "rwm"}};
  before.block_io.read_bps = {{8, 0, 5}};
  before.memory.swappiness = 5;
  Json stored = to_json(before);
  oci::Resources after;
  after.memory.limit = 1;
  after.cpu.cpus = "1";
  after.rdma["mlx5_0"] = {1, 1};
  replace_changeable(stored, after);
  oci::Resources expected = after;
  expected.net_class_id = before.net_class_id;
  expected.devices = before.devices;
  expected.block_io.read_bps = before.block_io.read_bps;
  expected.memory.swappiness = 5;
  EXPECT_EQ(stored, to_json(expected));
}

}  // namespace
}  // namespace casemate::plan
