#include "shim/systemd/manager.h"

#include <gtest/gtest.h>

namespace casemate::systemd {
namespace {

const cgroup::Hierarchy kV2 = {
    .mount_point = "/sys/fs/cgroup", .controllers = {}, .v2 = true, .root = "/"};
const cgroup::Hierarchy kMemory = {
    .mount_point = "/sys/fs/cgroup/memory", .controllers = {"memory"}, .v2 = false, .root = "/"};

std::string refusal(bool booted, const std::vector<cgroup::Hierarchy>& hierarchies) {
  const Status checked = check_host(booted, hierarchies);
  return checked ? "" : checked.error().rule;
}

TEST(CheckHost, SystemdIsPidOneAndCgroupV2IsAllThereIs) {
  EXPECT_EQ(refusal(true, {kV2}), "");
  EXPECT_EQ(refusal(false, {kV2}), "cgroup.systemd-absent");
  EXPECT_EQ(refusal(true, {kMemory}), "cgroup.systemd-v1");
  EXPECT_EQ(refusal(true, {kMemory, kV2}), "cgroup.systemd-v1") << "hybrid";
  EXPECT_EQ(refusal(true, {}), "cgroup.systemd-v1");
}

TEST(CheckHost, TheRefusalNamesTheOtherDriver) {
  for (const bool booted : {false, true}) {
    const Status checked = check_host(booted, {kMemory});
    ASSERT_FALSE(checked);
    EXPECT_NE(checked.error().message().find("cgroupfs"), std::string::npos);
  }
}

TEST(Unit, GoesThroughItsFile) {
  const Unit unit{.name = "docker-x.scope", .description = "casemate container x 00ff"};
  const auto back = unit_from_json(to_json(unit));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->name, unit.name);
  EXPECT_EQ(back->description, unit.description);
  EXPECT_FALSE(unit_from_json({{"name", "x.scope"}}));
  EXPECT_FALSE(unit_from_json("x.scope"));
  EXPECT_FALSE(unit_from_json(Json()));
}

// Where there is no systemd the helper says so; where there is one, it knows no such unit.
TEST(Manager, AUnitOfAnotherDescriptionIsNeverStopped) {
  const Manager manager(CASEMATE_BINARY_DIR "/bin/casemate-systemd");
  const Status stopped =
      manager.stop({.name = "casemate-no-such-unit.scope", .description = "casemate"});
  EXPECT_EQ(stopped ? "systemd.connect" : stopped.error().rule, "systemd.connect");
}

}  // namespace
}  // namespace casemate::systemd
