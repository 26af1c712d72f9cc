#include "shim/plan/names.h"

#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/resource.h>

#include <set>

#include "tests/unit/base/outcome.h"

namespace casemate::plan {
namespace {

constexpr std::uint64_t bit(int number) {
  return std::uint64_t{1} << number;
}

TEST(Names, Capabilities) {
  EXPECT_EQ(capability_bits({}, "").value(), 0u);
  EXPECT_EQ(capability_bits({"CAP_CHOWN", "CAP_SYS_ADMIN", "CAP_CHECKPOINT_RESTORE"}, "").value(),
            bit(CAP_CHOWN) | bit(CAP_SYS_ADMIN) | bit(CAP_CHECKPOINT_RESTORE));
  EXPECT_EQ(capability_bits({"cap_net_raw", "CAP_NET_RAW"}, "").value(), bit(CAP_NET_RAW));
}

TEST(Names, UnknownCapabilitiesAreRefusedWithTheirPlace) {
  for (const char* name : {"CHOWN", "CAP_", "", "CAP_CHOWN ", "CAP_NOTHING", "CAP_CAP_CHOWN",
                           "CAP_ALL", "CAP_-1", "CAP_CHOW"}) {
    const auto refused = capability_bits({"CAP_KILL", name}, "/process/capabilities/bounding");
    ASSERT_FALSE(refused) << name;
    EXPECT_EQ(refused.error().rule, "oci.capability") << name;
    EXPECT_EQ(refused.error().pointer, "/process/capabilities/bounding/1") << name;
  }
}

TEST(Names, Rlimits) {
  EXPECT_EQ(rlimit_number("RLIMIT_NOFILE").value(), static_cast<int>(RLIMIT_NOFILE));
  EXPECT_EQ(rlimit_number("RLIMIT_RTTIME").value(), static_cast<int>(RLIMIT_RTTIME));
  std::set<int> numbers;
  for (const char* name :
       {"AS", "CORE", "CPU", "DATA", "FSIZE", "LOCKS", "MEMLOCK", "MSGQUEUE", "NICE", "NOFILE",
        "NPROC", "RSS", "RTPRIO", "RTTIME", "STACK", "SIGPENDING"}) {
    const std::string full = "RLIMIT_" + std::string(name);
    EXPECT_TRUE(oci::is_rlimit(full)) << full;
    numbers.insert(rlimit_number(full).value_or(-1));
  }
  EXPECT_EQ(numbers.size(), static_cast<std::size_t>(RLIM_NLIMITS));
  EXPECT_FALSE(numbers.contains(-1));
  for (const char* name : {"NOFILE", "RLIMIT_", "rlimit_nofile", "RLIMIT_NOFILES", ""})
    EXPECT_EQ(rule_of(rlimit_number(name)), "oci.rlimit") << name;
}

TEST(Names, CloneFlags) {
  using enum oci::NamespaceType;
  EXPECT_EQ(clone_flag(pid), std::uint64_t{CLONE_NEWPID});
  EXPECT_EQ(clone_flag(network), std::uint64_t{CLONE_NEWNET});
  EXPECT_EQ(clone_flag(mount), std::uint64_t{CLONE_NEWNS});
  EXPECT_EQ(clone_flag(ipc), std::uint64_t{CLONE_NEWIPC});
  EXPECT_EQ(clone_flag(uts), std::uint64_t{CLONE_NEWUTS});
  EXPECT_EQ(clone_flag(user), std::uint64_t{CLONE_NEWUSER});
  EXPECT_EQ(clone_flag(cgroup), std::uint64_t{CLONE_NEWCGROUP});
  EXPECT_EQ(clone_flag(time), std::uint64_t{CLONE_NEWTIME});
}

}  // namespace
}  // namespace casemate::plan
