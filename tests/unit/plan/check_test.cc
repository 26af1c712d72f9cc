#include "shim/plan/check.h"

#include <gtest/gtest.h>
#include <linux/mount.h>
#include <sys/mount.h>

#include <functional>

#include "tests/unit/base/outcome.h"

namespace casemate::plan {
namespace {

using Change = std::function<void(Observed&)>;

// One step, what the kernel shows when it was done, and what it shows when it was not.
struct Case {
  const char* name;
  Step step;
  Change honest;
  Change lie;  // applied on top of the honest one
  const char* rule;
};

void PrintTo(const Case& one, std::ostream* out) {
  *out << one.name;
}

constexpr std::uint64_t kRestrictions = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
                                        MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOSYMFOLLOW;

AttachMount mount_step(MountKind kind, std::uint64_t set, std::uint64_t recursive = 0) {
  AttachMount step{.kind = kind, .destination = "/m", .type = "tmpfs"};
  step.options.attributes.set = set;
  step.options.recursive_attributes.set = recursive;
  return step;
}

// Step 0 attached mount 41, a tmpfs with every restriction.
void mounted(Observed& seen) {
  seen.mounts.push_back({.id = 41,
                         .point = "/m",
                         .type = "tmpfs",
                         .readonly = true,
                         .nosuid = true,
                         .nodev = true,
                         .noexec = true,
                         .nosymfollow = true});
  seen.mount_ids[0] = {41};
  seen.mount_at[0] = 41;
}
void rooted(Observed& seen) {
  seen.mounts.push_back({.id = 40, .point = "/", .type = "overlay", .readonly = true});
}

std::vector<Case> mount_cases() {
  const Step fs = mount_step(MountKind::filesystem, kRestrictions);
  const Step bind = mount_step(MountKind::bind, 0, kRestrictions);
  const Step dataset = mount_step(MountKind::dataset, 0);
  const char* rule = "readback.mount";
  std::vector<Case> cases;
  const auto flags = [&](const char* name, const Step& step) {
    cases.push_back({name, step, mounted, [](Observed& o) { o.mounts[0].readonly = false; }, rule});
    cases.push_back({name, step, mounted, [](Observed& o) { o.mounts[0].nosuid = false; }, rule});
    cases.push_back({name, step, mounted, [](Observed& o) { o.mounts[0].nodev = false; }, rule});
    cases.push_back({name, step, mounted, [](Observed& o) { o.mounts[0].noexec = false; }, rule});
    cases.push_back(
        {name, step, mounted, [](Observed& o) { o.mounts[0].nosymfollow = false; }, rule});
  };
  flags("filesystem flags", fs);
  flags("bind flags", bind);
  flags("dataset flags", dataset);
  const auto absent = [&](const char* name, const Step& step) {
    cases.push_back({name, step, mounted, [](Observed& o) { o.mounts.clear(); }, rule});
    cases.push_back({name, step, mounted, [](Observed& o) { o.mount_ids.clear(); }, rule});
    cases.push_back({name, step, mounted, [](Observed& o) { o.mount_ids[0].clear(); }, rule});
    cases.push_back({name, step, mounted, [](Observed& o) { o.mount_ids[0] = {42}; }, rule});
    // The number is another mount's by now, and the path leads elsewhere or nowhere.
    cases.push_back({name, step, mounted, [](Observed& o) { o.mount_at[0] = 43; }, rule});
    cases.push_back({name, step, mounted, [](Observed& o) { o.mount_at[0] = 0; }, rule});
    cases.push_back({name, step, mounted, [](Observed& o) { o.mount_at.clear(); }, rule});
  };
  absent("filesystem absent", fs);
  absent("scratch absent", mount_step(MountKind::scratch, 0));
  absent("bind absent", bind);
  absent("dataset absent", dataset);
  absent("cgroup absent", mount_step(MountKind::cgroup, 0));
  absent("read-only absent", ReadonlyPath{"/m"});
  absent("mask absent", MaskPath{"/m"});
  cases.push_back({"type", fs, mounted, [](Observed& o) { o.mounts[0].type = "ext4"; }, rule});
  AttachMount labelled = std::get<AttachMount>(fs);
  labelled.label = "system_u:object_r:container_file_t:s0:c1,c2";
  const auto with_label = [label = labelled.label](Observed& o) {
    mounted(o);
    o.mounts[0].label = label;
  };
  cases.push_back({"without its label", labelled, with_label,
                   [](Observed& o) { o.mounts[0].label.clear(); }, rule});
  cases.push_back({"another label", labelled, with_label,
                   [](Observed& o) { o.mounts[0].label.back() = '3'; }, rule});
  cases.push_back(
      {"no path to mount on", fs, mounted, [](Observed& o) { o.mount_ids[0] = {0}; }, rule});
  cases.push_back({"read-only", ReadonlyPath{"/m"}, mounted,
                   [](Observed& o) { o.mounts[0].readonly = false; }, rule});
  return cases;
}

// Step 0 attached mount 41 with mount 42 below it, which came with it, and what the step says of
// them.
AttachMount tree_step() {
  AttachMount step{.kind = MountKind::bind, .destination = "/m"};
  step.options.bind_recursive = true;
  return step;
}
void tree(Observed& seen) {
  mounted(seen);
  seen.mounts.push_back({.id = 42, .parent = 41, .point = "/m/below", .type = "ext4"});
  seen.mounts.push_back({.id = 43, .parent = 42, .point = "/m/below/deep", .type = "ext4"});
}
void readonly_tree(Observed& seen) {
  tree(seen);
  for (ObservedMount& mount : seen.mounts) mount.readonly = true;
}

std::vector<Case> option_cases() {
  const char* rule = "readback.mount";
  AttachMount writable = tree_step(), readonly = tree_step(), all_readonly = tree_step(),
              noatime = tree_step(), relatime = tree_step(), mapped = tree_step();
  writable.options.attributes.clear = MOUNT_ATTR_RDONLY;
  readonly.options.attributes.set = MOUNT_ATTR_RDONLY;
  all_readonly.options.recursive_attributes.set = MOUNT_ATTR_RDONLY;
  noatime.options.recursive_attributes = {MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME};
  relatime.options.attributes = {MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME};
  mapped.idmap = {{{0, 1000, 5}, {7, 2000, 1}}, {{0, 3000, 1}}};
  mapped.options.idmap_recursive = true;
  const auto rw = [](Observed& o) {
    tree(o);
    o.mounts[0].readonly = false;
  };
  const auto untimed = [](Observed& o) {
    tree(o);
    for (ObservedMount& mount : o.mounts) mount.noatime = true;
  };
  const auto related = [](Observed& o) {
    tree(o);
    o.mounts[0].relatime = true;
  };
  const auto with_ids = [](Observed& o) {
    tree(o);
    for (ObservedMount& mount : o.mounts) mount.idmapped = true;
  };
  const Change below = [](Observed& o) { o.mounts[1].readonly = false; };
  const Change deep = [](Observed& o) { o.mounts[2].readonly = false; };
  return {
      {"rw", writable, rw, [](Observed& o) { o.mounts[0].readonly = true; }, rule},
      {"ro below", readonly, readonly_tree, below, rule},
      {"rro below", all_readonly, readonly_tree, below, rule},
      {"rro deep below", all_readonly, readonly_tree, deep, rule},
      {"noatime", noatime, untimed, [](Observed& o) { o.mounts[0].noatime = false; }, rule},
      {"rnoatime below", noatime, untimed, [](Observed& o) { o.mounts[1].noatime = false; }, rule},
      {"relatime", relatime, related, [](Observed& o) { o.mounts[0].relatime = false; }, rule},
      {"idmap", mapped, with_ids, [](Observed& o) { o.mounts[0].idmapped = false; }, rule},
      {"ridmap below", mapped, with_ids, [](Observed& o) { o.mounts[1].idmapped = false; }, rule},
  };
}

std::vector<Case> propagation_cases() {
  const char* rule = "readback.mount";
  const auto step = [](std::uint64_t type) {
    AttachMount mount = mount_step(MountKind::bind, 0);
    mount.options.propagation = type;
    return mount;
  };
  const auto shared = [](Observed& o) {
    mounted(o);
    o.mounts[0].shared = true;
  };
  const auto unbindable = [](Observed& o) {
    mounted(o);
    o.mounts[0].unbindable = true;
  };
  const auto slave = [](Observed& o) {
    mounted(o);
    o.mounts[0].slave = true;
  };
  const auto shared_root = [](Observed& o) {
    rooted(o);
    o.mounts[0].shared = true;
  };
  const Change shares = [](Observed& o) { o.mounts[0].shared = true; };
  const Change follows = [](Observed& o) { o.mounts[0].slave = true; };
  const Change keeps_apart = [](Observed& o) { o.mounts[0].shared = o.mounts[0].slave = false; };
  return {
      {"private that shares", step(MS_PRIVATE), mounted, shares, rule},
      {"private that follows", step(MS_PRIVATE), mounted, follows, rule},
      {"slave that shares", step(MS_SLAVE), slave, shares, rule},
      {"slave of nobody that shares", step(MS_SLAVE), mounted, shares, rule},
      {"shared that does not", step(MS_SHARED), shared, keeps_apart, rule},
      {"unbindable that is not", step(MS_UNBINDABLE), unbindable,
       [](Observed& o) { o.mounts[0].unbindable = false; }, rule},
      {"shared root", AttachRoot{.source = "/r", .propagation = MS_SHARED}, shared_root,
       keeps_apart, rule},
  };
}

std::vector<Case> root_cases() {
  return {
      {"pivot", PivotRoot{}, rooted, [](Observed& o) { o.mounts.push_back(o.mounts[0]); },
       "readback.pivot-root"},
      {"pivot without a root", PivotRoot{}, rooted, [](Observed& o) { o.mounts.clear(); },
       "readback.pivot-root"},
      {"root", AttachRoot{.source = "/r"}, rooted, [](Observed& o) { o.mounts.clear(); },
       "readback.root"},
      {"overlay", AttachRoot{.source = "/r", .upper_bytes = 1}, rooted,
       [](Observed& o) { o.mounts[0].type = "ext4"; }, "readback.root"},
      {"label of the overlay", AttachRoot{.source = "/r", .upper_bytes = 1, .label = "u:r:t:s0"},
       [](Observed& o) {
         rooted(o);
         o.mounts[0].label = "u:r:t:s0";
       },
       [](Observed& o) { o.mounts[0].label = "u:r:t:s1"; }, "readback.mount"},
      {"read-only root", RootReadonly{}, rooted, [](Observed& o) { o.mounts[0].readonly = false; },
       "readback.root-readonly"},
      {"read-only nothing", RootReadonly{}, rooted, [](Observed& o) { o.mounts.clear(); },
       "readback.root-readonly"},
  };
}

std::vector<Case> namespace_cases() {
  const Step fresh = Namespaces{{{oci::NamespaceType::network, ""}}};
  const Step joined = Namespaces{{{oci::NamespaceType::network, "/proc/9/ns/net"}}};
  const char* rule = "readback.namespaces";
  const auto apart = [](Observed& o) { o.namespaces["network"] = {.container = 2, .host = 1}; };
  const auto shared = [](Observed& o) {
    o.namespaces["network"] = {.container = 3, .host = 1, .asked = 3};
  };
  return {
      {"the host's", fresh, apart, [](Observed& o) { o.namespaces["network"].container = 1; },
       rule},
      {"unknown", fresh, apart, [](Observed& o) { o.namespaces.clear(); }, rule},
      {"without a number", fresh, apart, [](Observed& o) { o.namespaces["network"].container = 0; },
       rule},
      {"the host's by a path", joined, shared,
       [](Observed& o) { o.namespaces["network"].host = 3; }, rule},
      {"another than asked", joined, shared,
       [](Observed& o) { o.namespaces["network"].container = 2; }, rule},
  };
}

std::vector<Case> credential_cases() {
  oci::User user{.uid = 1000, .gid = 100};
  user.additional_gids = {7, 5};
  const Step step = SetCredentials{user};
  const char* rule = "readback.credentials";
  const auto honest = [](Observed& o) {
    o.uids = {1000, 1000, 1000, 1000};
    o.gids = {100, 100, 100, 100};
    o.groups = {5, 7};
    o.umask = 0022;
  };
  std::vector<Case> cases;
  cases.push_back({"umask", step, honest, [](Observed& o) { o.umask = 0; }, rule});
  for (std::size_t i = 0; i < 4; ++i) {
    cases.push_back({"uid", step, honest, [i](Observed& o) { o.uids[i] = 0; }, rule});
    cases.push_back({"gid", step, honest, [i](Observed& o) { o.gids[i] = 0; }, rule});
  }
  cases.push_back({"group kept", step, honest, [](Observed& o) { o.groups = {0, 5, 7}; }, rule});
  cases.push_back({"group lost", step, honest, [](Observed& o) { o.groups = {5}; }, rule});
  cases.push_back({"other group", step, honest, [](Observed& o) { o.groups = {5, 8}; }, rule});
  return cases;
}

std::vector<Case> capability_cases() {
  const Step step = SetCapabilities{
      .bounding = 0x1f, .effective = 3, .inheritable = 7, .permitted = 15, .ambient = 1};
  const char* rule = "readback.capabilities";
  const auto honest = [](Observed& o) {
    o.machine_capabilities = 0xff;
    o.cap_bounding = 0x1f;
    o.cap_effective = 3;
    o.cap_inheritable = 7;
    o.cap_permitted = 15;
    o.cap_ambient = 1;
  };
  std::vector<Case> cases;
  const auto kept = [&](const char* name, std::uint64_t Observed::* set) {
    cases.push_back({name, step, honest, [set](Observed& o) { o.*set |= 0x80; }, rule});
    cases.push_back(
        {name, step, honest, [set](Observed& o) { o.*set &= ~std::uint64_t{1}; }, rule});
    // Not even one that the machine itself is said not to have.
    cases.push_back({name, step, honest, [set](Observed& o) { o.*set |= 0x100; }, rule});
  };
  kept("bounding", &Observed::cap_bounding);
  kept("effective", &Observed::cap_effective);
  kept("inheritable", &Observed::cap_inheritable);
  kept("permitted", &Observed::cap_permitted);
  kept("ambient", &Observed::cap_ambient);
  return cases;
}

std::vector<Case> process_cases() {
  const auto limited = [](Observed& o) { o.limits["RLIMIT_NOFILE"] = {.soft = 10, .hard = 20}; };
  const Step limit = SetRlimit{{.type = "RLIMIT_NOFILE", .hard = 20, .soft = 10}};
  const auto filtered = [](Observed& o) {
    o.seccomp_mode = 2;
    o.seccomp_filters = 1;
  };
  return {
      {"no_new_privs", NoNewPrivileges{}, [](Observed& o) { o.no_new_privileges = true; },
       [](Observed& o) { o.no_new_privileges = false; }, "readback.no-new-privileges"},
      {"oom", SetOomScore{500}, [](Observed& o) { o.oom_score_adj = 500; },
       [](Observed& o) { o.oom_score_adj = 0; }, "readback.oom-score"},
      {"soft limit", limit, limited, [](Observed& o) { o.limits["RLIMIT_NOFILE"].soft = 11; },
       "readback.rlimit"},
      {"hard limit", limit, limited, [](Observed& o) { o.limits["RLIMIT_NOFILE"].hard = 21; },
       "readback.rlimit"},
      {"no limit", limit, limited, [](Observed& o) { o.limits.clear(); }, "readback.rlimit"},
      {"label", SetLabel{"u:r:t"}, [](Observed& o) { o.exec_label = "u:r:t"; },
       [](Observed& o) { o.exec_label.clear(); }, "readback.selinux-label"},
      {"cgroup", CreateCgroup{"/c", {}}, [](Observed& o) { o.in_cgroup = true; },
       [](Observed& o) { o.in_cgroup = false; }, "readback.cgroup"},
      {"filter missing", LoadSeccomp{}, filtered, [](Observed& o) { o.seccomp_filters = 0; },
       "readback.seccomp"},
      {"filter too many", LoadSeccomp{}, filtered, [](Observed& o) { o.seccomp_filters = 2; },
       "readback.seccomp"},
      {"filter off", LoadSeccomp{}, filtered, [](Observed& o) { o.seccomp_mode = 0; },
       "readback.seccomp"},
      {"session", PivotRoot{}, rooted, [](Observed& o) { o.session_leader = false; },
       "readback.session"},
      {"descriptor", PivotRoot{}, rooted, [](Observed& o) { o.descriptors = {7}; },
       "readback.descriptors"},
  };
}

class CheckStep : public testing::TestWithParam<Case> {};

TEST_P(CheckStep, TheTruthPassesAndTheLieDoesNot) {
  const Case& one = GetParam();
  const Plan plan{{one.step}};
  Observed seen{.session_leader = true};
  one.honest(seen);
  const Status honest = check(plan, seen);
  EXPECT_TRUE(honest) << honest.error().message();
  one.lie(seen);
  const Status lie = check(plan, seen);
  ASSERT_FALSE(lie);
  EXPECT_EQ(lie.error().rule, one.rule) << lie.error().message();
  EXPECT_EQ(lie.error().cls, ErrorClass::internal);
}

INSTANTIATE_TEST_SUITE_P(Mounts, CheckStep, testing::ValuesIn(mount_cases()));
INSTANTIATE_TEST_SUITE_P(Options, CheckStep, testing::ValuesIn(option_cases()));
INSTANTIATE_TEST_SUITE_P(Propagation, CheckStep, testing::ValuesIn(propagation_cases()));
INSTANTIATE_TEST_SUITE_P(Root, CheckStep, testing::ValuesIn(root_cases()));
INSTANTIATE_TEST_SUITE_P(Namespaces, CheckStep, testing::ValuesIn(namespace_cases()));
INSTANTIATE_TEST_SUITE_P(Credentials, CheckStep, testing::ValuesIn(credential_cases()));
INSTANTIATE_TEST_SUITE_P(Capabilities, CheckStep, testing::ValuesIn(capability_cases()));
INSTANTIATE_TEST_SUITE_P(Process, CheckStep, testing::ValuesIn(process_cases()));

TEST(Check, APathThatIsAbsentHasNothingToCover) {
  Observed seen{.session_leader = true};
  seen.mount_ids = {{0, {0}}, {1, {0}}};
  seen.mount_at = {{0, 0}, {1, 0}};
  EXPECT_TRUE(check({{ReadonlyPath{"/a"}, MaskPath{"/b"}}}, seen));
  seen.mount_at[1] = 41;  // it is there all the same, and uncovered
  EXPECT_EQ(rule_of(check({{ReadonlyPath{"/a"}, MaskPath{"/b"}}}, seen)), "readback.mount");
}

// What a later step mounted below a recursive read-only bind did not come with it.
TEST(Check, OnlyWhatCameWithABindIsAsTheBind) {
  AttachMount bind = tree_step();
  bind.options.attributes.set = MOUNT_ATTR_RDONLY;
  const Plan plan{{bind, mount_step(MountKind::filesystem, 0)}};
  Observed seen{.session_leader = true};
  readonly_tree(seen);
  seen.mounts[1].readonly = seen.mounts[2].readonly = false;
  seen.mounts[1].type = "tmpfs";
  seen.mount_ids[1] = {42};
  seen.mount_at[1] = 42;
  EXPECT_TRUE(check(plan, seen)) << check(plan, seen).error().message();
  seen.mounts[2].parent = 41;
  EXPECT_EQ(rule_of(check(plan, seen)), "readback.mount");
}

// A root that is shared with all below it says nothing of what each mount asked for before.
TEST(Check, APropagationOfTheWholeTreeIsTheLastWord) {
  AttachMount mount = mount_step(MountKind::bind, 0);
  mount.options.propagation = MS_PRIVATE;
  Observed seen{.session_leader = true};
  mounted(seen);
  rooted(seen);
  seen.mounts[0].shared = seen.mounts[1].shared = true;
  AttachRoot root{.source = "/r", .propagation = MS_SHARED};
  EXPECT_TRUE(check({{mount, root}}, seen));
  root.propagation_recursive = false;
  EXPECT_EQ(rule_of(check({{mount, root}}, seen)), "readback.mount");
}

TEST(Check, StepsAreToldApartByTheirPlace) {
  Observed seen{.session_leader = true};
  mounted(seen);
  seen.mount_ids[1] = {41};
  seen.mount_at[1] = 41;
  EXPECT_TRUE(check({{MaskPath{"/a"}, MaskPath{"/b"}}}, seen));
  seen.mount_ids.erase(1);
  EXPECT_EQ(rule_of(check({{MaskPath{"/a"}, MaskPath{"/b"}}}, seen)), "readback.mount");
}

// A read-only path over a mount is meant; a mount over a read-only path is not.
TEST(Check, OnlyALaterStepMayCover) {
  Observed seen{.session_leader = true};
  mounted(seen);
  seen.mounts.push_back(seen.mounts[0]);
  seen.mounts[1].id = 42;
  seen.mount_ids[1] = {42};
  seen.mount_at = {{0, 42}, {1, 42}};
  const Plan plan{{mount_step(MountKind::filesystem, 0), ReadonlyPath{"/m"}}};
  EXPECT_TRUE(check(plan, seen));
  seen.mount_at = {{0, 41}, {1, 41}};
  EXPECT_EQ(rule_of(check(plan, seen)), "readback.mount");
}

// Step 0 mounted /m/below, step 1 made /m read-only with all that hangs there: a copy.
TEST(Check, WhatLiesBelowAReadonlyPathIsACopy) {
  Observed seen{.session_leader = true};
  mounted(seen);
  for (const std::uint64_t id : {42, 43}) {
    seen.mounts.push_back(seen.mounts[0]);
    seen.mounts.back().id = id;
  }
  seen.mounts[2].parent = 42;
  seen.mount_ids[1] = {42};
  seen.mount_at = {{0, 43}, {1, 42}};
  const Plan plan{{mount_step(MountKind::filesystem, 0), ReadonlyPath{"/"}}};
  EXPECT_TRUE(check(plan, seen));
  seen.mounts[2].parent = 44;
  EXPECT_EQ(rule_of(check(plan, seen)), "readback.mount");
}

// Every mount of a step must hang, not the first alone (the hierarchies of cgroup v1).
TEST(Check, EveryMountOfAStepCounts) {
  Observed seen{.session_leader = true};
  mounted(seen);
  seen.mount_ids[0] = {41, 42};
  EXPECT_EQ(rule_of(check({{mount_step(MountKind::cgroup, 0)}}, seen)), "readback.mount");
  seen.mounts.push_back(seen.mounts[0]);
  seen.mounts[1].id = 42;
  const Plan plan{{mount_step(MountKind::cgroup, MOUNT_ATTR_RDONLY)}};
  EXPECT_TRUE(check(plan, seen));
  seen.mounts[1].readonly = false;
  EXPECT_EQ(rule_of(check(plan, seen)), "readback.mount");
}

TEST(Check, WhatTheMachineLacksCannotBeGiven) {
  Observed seen{.session_leader = true};
  seen.machine_capabilities = 1;
  seen.cap_bounding = seen.cap_permitted = seen.cap_effective = 1;
  EXPECT_TRUE(check({{SetCapabilities{.bounding = 3, .effective = 3, .permitted = 3}}}, seen));
}

TEST(Check, WithoutAFilterThereIsNone) {
  EXPECT_TRUE(check({}, {.session_leader = true}));
  Observed seen{.session_leader = true};
  seen.seccomp_filters = 1;
  EXPECT_EQ(rule_of(check({}, seen)), "readback.seccomp");
}

TEST(Check, TwoFiltersAreTwo) {
  Observed seen{.session_leader = true};
  seen.seccomp_mode = 2;
  seen.seccomp_filters = 2;
  EXPECT_TRUE(check({{LoadSeccomp{}, LoadSeccomp{}}}, seen));
  seen.seccomp_filters = 1;
  EXPECT_EQ(rule_of(check({{LoadSeccomp{}, LoadSeccomp{}}}, seen)), "readback.seccomp");
}

TEST(Check, TheErrorNamesPlanAndTruth) {
  const Status lie = check({{SetOomScore{500}}}, {});
  ASSERT_FALSE(lie);
  EXPECT_NE(lie.error().what.find("500"), std::string::npos);
  EXPECT_NE(lie.error().what.find("shows 0"), std::string::npos);
}

}  // namespace
}  // namespace casemate::plan
