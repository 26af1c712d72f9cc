#include "shim/plan/mount_options.h"

#include <gtest/gtest.h>
#include <linux/mount.h>
#include <sys/mount.h>

#include <random>

#include "tests/unit/base/outcome.h"

namespace casemate::plan {
namespace {

using Words = std::vector<std::string>;

MountOptions options_of(const Words& words) {
  const auto options = parse_mount_options(words, "/mounts/0");
  EXPECT_TRUE(options) << options.error().message();
  return options.value_or(MountOptions{});
}

struct Attribute {
  const char* name;
  std::uint64_t set, clear;
};
constexpr Attribute kAttributes[] = {
    {"ro", MOUNT_ATTR_RDONLY, 0},
    {"rw", 0, MOUNT_ATTR_RDONLY},
    {"nosuid", MOUNT_ATTR_NOSUID, 0},
    {"suid", 0, MOUNT_ATTR_NOSUID},
    {"nodev", MOUNT_ATTR_NODEV, 0},
    {"dev", 0, MOUNT_ATTR_NODEV},
    {"noexec", MOUNT_ATTR_NOEXEC, 0},
    {"exec", 0, MOUNT_ATTR_NOEXEC},
    {"nosymfollow", MOUNT_ATTR_NOSYMFOLLOW, 0},
    {"symfollow", 0, MOUNT_ATTR_NOSYMFOLLOW},
    {"nodiratime", MOUNT_ATTR_NODIRATIME, 0},
    {"diratime", 0, MOUNT_ATTR_NODIRATIME},
    {"noatime", MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME},
    {"strictatime", MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME},
    {"relatime", MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME},
};

TEST(MountOptions, EveryAttributeAloneAndRecursively) {
  for (const Attribute& one : kAttributes) {
    const MountAttributes wanted{one.set, one.clear};
    const MountOptions plain = options_of({one.name});
    EXPECT_EQ(plain.attributes, wanted) << one.name;
    EXPECT_EQ(plain.recursive_attributes, MountAttributes{}) << one.name;
    const MountOptions recursive = options_of({"r" + std::string(one.name)});
    EXPECT_EQ(recursive.recursive_attributes, wanted) << one.name;
    EXPECT_EQ(recursive.attributes, MountAttributes{}) << one.name;
    EXPECT_TRUE(plain.data.empty() && recursive.data.empty()) << one.name;
  }
}

TEST(MountOptions, TheLastOneCounts) {
  EXPECT_EQ(options_of({"ro", "rw"}).attributes, (MountAttributes{0, MOUNT_ATTR_RDONLY}));
  EXPECT_EQ(options_of({"rw", "ro"}).attributes, (MountAttributes{MOUNT_ATTR_RDONLY, 0}));
  EXPECT_EQ(options_of({"noatime", "strictatime"}).attributes,
            (MountAttributes{MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME}));
  EXPECT_EQ(options_of({"noatime", "relatime"}).attributes,
            (MountAttributes{0, MOUNT_ATTR__ATIME}));
  EXPECT_EQ(options_of({"shared", "rslave"}).propagation, std::uint64_t{MS_SLAVE});
}

TEST(MountOptions, Binds) {
  EXPECT_FALSE(options_of({"ro"}).bind);
  EXPECT_TRUE(options_of({"bind"}).bind);
  EXPECT_FALSE(options_of({"bind"}).bind_recursive);
  EXPECT_TRUE(options_of({"rbind"}).bind);
  EXPECT_TRUE(options_of({"rbind"}).bind_recursive);
}

TEST(MountOptions, Propagations) {
  const std::pair<const char*, std::uint64_t> all[] = {{"private", MS_PRIVATE},
                                                       {"slave", MS_SLAVE},
                                                       {"shared", MS_SHARED},
                                                       {"unbindable", MS_UNBINDABLE}};
  for (const auto& [name, type] : all) {
    const MountOptions plain = options_of({name});
    EXPECT_EQ(plain.propagation, type) << name;
    EXPECT_FALSE(plain.propagation_recursive) << name;
    const MountOptions recursive = options_of({"r" + std::string(name)});
    EXPECT_EQ(recursive.propagation, type) << name;
    EXPECT_TRUE(recursive.propagation_recursive) << name;
    EXPECT_EQ(parse_propagation(name).value(), std::pair(type, false));
    EXPECT_EQ(parse_propagation("r" + std::string(name)).value(), std::pair(type, true));
  }
  EXPECT_EQ(options_of({"ro"}).propagation, 0u);
}

TEST(MountOptions, TheRestIsTheFileSystems) {
  const MountOptions options =
      options_of({"defaults", "size=65536k", "mode=755", "newinstance", "a=b=c", "sync", "e="});
  using Pairs = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(
      options.data,
      (Pairs{{"size", "65536k"}, {"mode", "755"}, {"newinstance", ""}, {"a", "b=c"}, {"e", ""}}));
  EXPECT_EQ(options.flags, Words{"sync"});
  EXPECT_EQ(options.attributes, MountAttributes{});
}

TEST(MountOptions, IdmapAndCopyUp) {
  EXPECT_FALSE(options_of({"bind"}).idmap);
  const MountOptions one = options_of({"rbind", "idmap"});
  EXPECT_TRUE(one.idmap && !one.idmap_recursive && !one.copy_up);
  const MountOptions tree = options_of({"ridmap", "rbind", "idmap"});
  EXPECT_TRUE(tree.idmap && tree.idmap_recursive);
  const MountOptions filled = options_of({"tmpcopyup", "size=1k"});
  EXPECT_TRUE(filled.copy_up && !filled.idmap);
  EXPECT_EQ(filled.data.size(), 1u);
  // crun's mappings as text are not the specification's.
  EXPECT_EQ(options_of({"idmap=uids=0-1-10"}).data.size(), 1u);
}

TEST(MountOptions, WhatIsNotServedIsRefusedByName) {
  for (const char* option : {"remount", "mand", "copy-symlink"}) {
    const auto refused = parse_mount_options({"ro", option}, "/mounts/3");
    ASSERT_FALSE(refused) << option;
    EXPECT_EQ(refused.error().rule, "oci.mount-option");
    EXPECT_EQ(refused.error().cls, ErrorClass::unsupported);
    EXPECT_EQ(refused.error().pointer, "/mounts/3/options/1");
  }
}

TEST(MountOptions, RootfsPropagation) {
  EXPECT_EQ(parse_propagation("").value(), std::pair(std::uint64_t{MS_PRIVATE}, true));
  for (const char* text : {"r", "privat", "rrslave", "Shared", "ro", " shared"})
    EXPECT_EQ(rule_of(parse_propagation(text)), "oci.rootfs-propagation") << text;
}

// Whatever is asked in whatever order: nothing is both set and cleared but the access time, whose
// clear mask is the whole field, and what was named last is what holds.
TEST(MountOptions, RandomSequencesKeepTheLastWord) {
  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    Words words;
    std::uint64_t model = 0, named = 0;
    for (auto i = random() % 8; i > 0; --i) {
      const Attribute& one = kAttributes[random() % std::size(kAttributes)];
      words.emplace_back(one.name);
      model = (model & ~one.clear) | one.set;
      named |= one.clear | one.set;
    }
    const MountAttributes found = options_of(words).attributes;
    EXPECT_EQ(found.set, model);
    EXPECT_EQ(found.set & found.clear & ~std::uint64_t{MOUNT_ATTR__ATIME}, 0u);
    EXPECT_EQ(found.set | found.clear, named);
    const bool touches_atime = (found.set & MOUNT_ATTR__ATIME) != 0;
    EXPECT_TRUE(!touches_atime || (found.clear & MOUNT_ATTR__ATIME) == MOUNT_ATTR__ATIME);
  }
}

}  // namespace
}  // namespace casemate::plan
