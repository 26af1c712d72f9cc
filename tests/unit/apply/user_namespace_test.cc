#include "shim/apply/user_namespace.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "shim/sys/faulty_kernel.h"
#include "shim/sys/real_kernel.h"
#include "tests/unit/base/outcome.h"

namespace casemate::apply {
namespace {

std::string text_of(const std::vector<oci::IdMapping>& maps) {
  std::string text;
  for (const oci::IdMapping& map : maps)
    text += std::to_string(map.container_id) + ":" + std::to_string(map.host_id) + ":" +
            std::to_string(map.size) + " ";
  return text;
}

TEST(IdMap, AsTheKernelWritesIt) {
  const auto maps =
      parse_id_map("         0     100000      65536\n     65536          0          1\n");
  ASSERT_TRUE(maps) << maps.error().message();
  EXPECT_EQ(text_of(*maps), "0:100000:65536 65536:0:1 ");
  EXPECT_TRUE(parse_id_map("").value().empty());
  for (const char* text : {"0 1\n", "0 1 2 3\n", "a 1 2\n", "\n"})
    EXPECT_EQ(rule_of(parse_id_map(text)), "proc.id-map") << text;
}

class UserNamespace : public testing::Test {
 protected:
  sys::RealKernel real;
  sys::FaultyKernel kernel{real};
  const plan::MountIdmap map{{{0, 100000, 1000}, {1000, 5, 1}}, {{0, 200000, 10}}};
};

TEST_F(UserNamespace, HasTheMappingsItWasMadeWith) {
  const auto space = new_user_namespace(kernel, map);
  ASSERT_TRUE(space) << space.error().message();
  const auto found = id_maps_of(kernel, space->get());
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_EQ(text_of(found->uids), text_of(map.uids));
  EXPECT_EQ(text_of(found->gids), text_of(map.gids));
}

TEST_F(UserNamespace, MappingsThatOverlapAreTheCallersMistake) {
  const auto refused = new_user_namespace(kernel, {{{0, 1000, 10}, {5, 2000, 1}}, map.gids});
  EXPECT_EQ(rule_of(refused), "oci.id-mapping");
}

TEST_F(UserNamespace, OursCannotBeEntered) {
  const UniqueFd own(::open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(rule_of(id_maps_of(kernel, own.get())), "user-namespace.enter");
}

// Whichever call of ours fails or lies: an error, and never other mappings.
TEST_F(UserNamespace, NoFaultGivesOtherMappings) {
  const auto space = new_user_namespace(kernel, map);
  ASSERT_TRUE(space);
  for (const bool pretend : {false, true}) {
    kernel.reset();
    ASSERT_TRUE(id_maps_of(kernel, space->get()));
    const std::size_t calls = kernel.calls();
    for (std::size_t call = 1; call <= calls; ++call) {
      kernel.reset();
      pretend ? kernel.pretend_call(call) : kernel.fail_call(call, EIO);
      const auto found = id_maps_of(kernel, space->get());
      if (!found) continue;
      EXPECT_EQ(text_of(found->uids) + text_of(found->gids), text_of(map.uids) + text_of(map.gids))
          << kernel.made().back();
    }
  }
}

// In the child, which the parent's count does not see.
TEST_F(UserNamespace, AProcessThatCouldBeTracedDoesNotEnter) {
  const auto space = new_user_namespace(kernel, map);
  ASSERT_TRUE(space);
  for (const char* call : {"prctl", "setns", "write"}) {
    kernel.reset();
    kernel.pretend_every(call);
    EXPECT_FALSE(id_maps_of(kernel, space->get())) << call;
    kernel.reset();
    kernel.fail_every(call, EPERM);
    EXPECT_FALSE(id_maps_of(kernel, space->get())) << call;
  }
}

}  // namespace
}  // namespace casemate::apply
