#include "shim/run/joined_namespaces.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "shim/apply/user_namespace.h"
#include "shim/sys/real_kernel.h"
#include "tests/unit/base/outcome.h"
#include "tests/unit/fs/scratch.h"
#include "tests/unit/sys/in_child.h"

namespace casemate::run {
namespace {

using oci::NamespaceType;

oci::Linux asking(NamespaceType type, const std::string& path) {
  oci::Linux section;
  section.namespaces = {{NamespaceType::pid, ""}, {type, path}};
  return section;
}

class JoinedNamespaces : public testing::Test {
 protected:
  std::string opening(NamespaceType type, const std::string& path) {
    return rule_of(open_namespaces(kernel, asking(type, path)));
  }
  // A path that leads to the namespace of this descriptor.
  static std::string by_fd(const UniqueFd& fd) {
    return "/proc/self/fd/" + std::to_string(fd.get());
  }
  sys::RealKernel kernel;
  fs::Scratch scratch;
};

TEST_F(JoinedNamespaces, OursIsTheHosts) {
  EXPECT_EQ(opening(NamespaceType::network, "/proc/self/ns/net"), "namespaces.host-path");
  EXPECT_EQ(opening(NamespaceType::user, "/proc/thread-self/ns/user"), "namespaces.host-path");
  EXPECT_EQ(opening(NamespaceType::time, "/proc/self/ns/time"), "namespaces.host-path");
}

TEST_F(JoinedNamespaces, OnlyNamespacesOfTheTypeThatIsAskedFor) {
  scratch.write("root/file", "");
  ASSERT_EQ(::mkfifo((scratch / "root/fifo").c_str(), 0600), 0);
  EXPECT_EQ(opening(NamespaceType::network, scratch / "root/file"), "namespaces.type");
  EXPECT_EQ(opening(NamespaceType::network, scratch / "root/fifo"), "namespaces.type");
  EXPECT_EQ(opening(NamespaceType::network, scratch / "root"), "namespaces.type");
  EXPECT_EQ(opening(NamespaceType::network, "/dev/null"), "namespaces.type");
  EXPECT_EQ(opening(NamespaceType::network, "/proc/self/ns/uts"), "namespaces.type");
  EXPECT_EQ(opening(NamespaceType::time, "/proc/self/ns/user"), "namespaces.type");
}

TEST_F(JoinedNamespaces, AbsentOnesAreForThePolicyFirst) {
  const oci::Linux asked = asking(NamespaceType::ipc, scratch / "root/absent");
  const auto joined = open_namespaces(kernel, asked);
  ASSERT_TRUE(joined);
  EXPECT_TRUE(joined->empty());
  const Status required = require_all(asked, *joined);
  ASSERT_FALSE(required);
  EXPECT_EQ(required.error().rule, "namespaces.path");
  EXPECT_EQ(required.error().pointer, "/linux/namespaces/1/path");
}

// What is opened is what is joined, whatever becomes of the name.
TEST_F(JoinedNamespaces, AreOpenedOnce) {
  const std::string outcome = sys::in_child(CLONE_NEWNS, [&]() -> std::string {
    const UniqueFd host(::open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC));
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return "private";
    const std::string path = scratch / "root/uts";
    std::ofstream(path) << "";
    if (::unshare(CLONE_NEWUTS) != 0) return "unshare";
    if (::mount("/proc/self/ns/uts", path.c_str(), nullptr, MS_BIND, nullptr) != 0) return "bind";
    const fs::Identity made = fs::identity(path);
    if (::setns(host.get(), CLONE_NEWUTS) != 0) return "setns";
    const auto joined = open_namespaces(kernel, asking(NamespaceType::uts, path));
    if (!joined || joined->size() != 1) return "open: " + rule_of(joined);
    if (::umount2(path.c_str(), MNT_DETACH) != 0) return "umount";
    if (fs::identity((*joined)[0].fd.get()) != made) return "another one";
    const auto inodes = inodes_of(kernel, *joined);
    return inodes && inodes->at(NamespaceType::uts) == made.inode ? "" : "inode";
  });
  EXPECT_EQ(outcome, "");
}

TEST_F(JoinedNamespaces, MappingsAreThoseThatTheNamespaceHas) {
  const auto space =
      apply::new_user_namespace(kernel, {{{0, 100000, 1000}, {1000, 5, 1}}, {{0, 200000, 10}}});
  ASSERT_TRUE(space) << space.error().message();
  oci::Linux section = asking(NamespaceType::user, by_fd(*space));
  const auto joined = open_namespaces(kernel, section);
  ASSERT_TRUE(joined) << joined.error().message();
  ASSERT_TRUE(adopt_id_mappings(kernel, *joined, section));
  ASSERT_EQ(section.uid_mappings.size(), 2u);
  EXPECT_EQ(section.uid_mappings[0].host_id, 100000u);
  EXPECT_EQ(section.gid_mappings[0].host_id, 200000u);

  std::swap(section.uid_mappings[0], section.uid_mappings[1]);  // the same in another order
  EXPECT_TRUE(adopt_id_mappings(kernel, *joined, section));
  section.gid_mappings[0].size = 11;
  const Status other = adopt_id_mappings(kernel, *joined, section);
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().rule, "oci.id-mapping");
  EXPECT_EQ(other.error().pointer, "/linux/gidMappings");
}

TEST_F(JoinedNamespaces, WithoutAUserNamespaceNothingIsAdopted) {
  oci::Linux section;
  EXPECT_TRUE(adopt_id_mappings(kernel, {}, section));
  EXPECT_TRUE(section.uid_mappings.empty());
}

}  // namespace
}  // namespace casemate::run
