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
  r.memory.swap = 600;
  r.pids_limit = 10;
  r.cpu.quota = 10000;
  r.cpu.period = 100000;
  return r;
}

Decision update(const oci::Resources& asked, const Profile& profile, JobContext context = {}) {
  HostFacts host = good_host();
  host.swap_active = true;
  return decide_update(asked, profile, host, context);
}

TEST(DecideUpdate, WithinTheBoundsNothingChanges) {
  const auto decision = update(within(), bounded());
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
  const auto decision = update(asked, bounded());
  const auto& r = decision.spec.linux.resources;
  EXPECT_FALSE(decision.denied);
  EXPECT_EQ(decision.findings.size(), 4u);
  EXPECT_EQ(r.memory.limit, 1000);
  EXPECT_EQ(r.memory.swap, 1000);
  EXPECT_EQ(r.pids_limit, 20);
  EXPECT_EQ(r.cpu.quota, 50000);
}

// What kept a job's data out of swap at create still does.
TEST(DecideUpdate, DataStaysOutOfSwap) {
  const Profile profile = profile_of(profile_json("baseline"));
  JobContext context;
  EXPECT_EQ(update(within(), profile, context).spec.linux.resources.memory.swap, 600);
  context.holds_data = true;
  const auto decision = update(within(), profile, context);
  EXPECT_EQ(decision.spec.linux.resources.memory.swap, 500);
  EXPECT_NE(find_rule(decision, "dataset.swap"), nullptr);
  oci::Resources unlimited;
  unlimited.memory.limit = -1;
  EXPECT_EQ(refusal(update(unlimited, profile, context)).rule, "dataset.swap");
}

TEST(DecideUpdate, RequiredLimitsStay) {
  Json json = profile_json("baseline");
  json["resources"]["required"] = {"memory"};
  oci::Resources asked = within();
  asked.memory.limit = -1;
  const auto decision = update(asked, profile_of(json));
  EXPECT_TRUE(decision.denied);
  EXPECT_EQ(refusal(decision).rule, "resources.required");
}

TEST(DecideUpdate, UnifiedAndRealtimeAndDevices) {
  oci::Resources unified = within();
  unified.unified = {{"memory.max", "max"}};
  EXPECT_EQ(refusal(update(unified, bounded())).rule, "resources.unified");
  oci::Resources realtime = within();
  realtime.cpu.realtime_runtime = 1000;
  EXPECT_EQ(refusal(update(realtime, bounded())).rule, "resources.realtime");
  oci::Resources devices = within();
  devices.devices = {{.allow = true, .access = "rwm"}};
  EXPECT_EQ(refusal(update(devices, bounded())).rule, "devices.wildcard");
  // No rules are no opinion, other than at create, where a list without rules is closed.
  EXPECT_TRUE(update(within(), bounded()).spec.linux.resources.devices.empty());
}

}  // namespace
}  // namespace casemate::policy
