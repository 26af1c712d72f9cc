// The bounds of an update are those of a create.
#include "tests/unit/policy/fixture.h"

namespace casemate::policy {
namespace {

Profile bounded() {
  Json json = profile_json("baseline");
  json["resources"]["memory_max"] = 1000;
  json["resources"]["pids_max"] = 20;
  json["resources"]["cpu_max_millis"] = 500;
  json["resources"]["required"] = {"memory"};
  return profile_of(json);
}

oci::Resources within() {
  oci::Resources r;
  r.memory.limit = 500;
  r.pids_limit = 10;
  r.cpu.quota = 10000;
  r.cpu.period = 100000;
  return r;
}

TEST(DecideUpdate, WithinTheBoundsNothingChanges) {
  const auto decision = decide_update(within(), bounded());
  EXPECT_FALSE(decision.denied);
  EXPECT_TRUE(decision.findings.empty());
  EXPECT_EQ(decision.spec.linux.resources.memory.limit, 500);
}

TEST(DecideUpdate, CeilingsHold) {
  oci::Resources asked = within();
  asked.memory.limit = -1;
  asked.memory.swap = 5000;
  asked.pids_limit = 30;
  asked.cpu.quota = -1;
  const auto decision = decide_update(asked, bounded());
  const auto& r = decision.spec.linux.resources;
  EXPECT_FALSE(decision.denied);
  EXPECT_EQ(decision.findings.size(), 4u);
  EXPECT_EQ(r.memory.limit, 1000);
  EXPECT_EQ(r.memory.swap, 1000);
  EXPECT_EQ(r.pids_limit, 20);
  EXPECT_EQ(r.cpu.quota, 50000);
}

TEST(DecideUpdate, RequiredLimitsStay) {
  Json json = profile_json("baseline");
  json["resources"]["required"] = {"memory"};
  oci::Resources asked = within();
  asked.memory.limit = -1;
  const auto decision = decide_update(asked, profile_of(json));
  EXPECT_TRUE(decision.denied);
  EXPECT_EQ(refusal(decision).rule, "resources.required");
}

TEST(DecideUpdate, UnifiedAndRealtimeAndDevices) {
  oci::Resources unified = within();
  unified.unified = {{"memory.max", "max"}};
  EXPECT_EQ(refusal(decide_update(unified, bounded())).rule, "resources.unified");
  oci::Resources realtime = within();
  realtime.cpu.realtime_runtime = 1000;
  EXPECT_EQ(refusal(decide_update(realtime, bounded())).rule, "resources.realtime");
  oci::Resources devices = within();
  devices.devices = {{.allow = true, .access = "rwm"}};
  EXPECT_EQ(refusal(decide_update(devices, bounded())).rule, "devices.wildcard");
  // No rules are no opinion, other than at create, where a list without rules is closed.
  EXPECT_TRUE(decide_update(within(), bounded()).spec.linux.resources.devices.empty());
}

}  // namespace
}  // namespace casemate::policy
