// Rules that need another profile than the shipped ones.
#include <algorithm>

#include "policy/decide.h"
#include "policy/explain.h"
#include "tests/unit/policy/fixture.h"

namespace casemate::policy {
namespace {

// A rule of a profile that no shipped one uses: the profile is changed instead of the request.
struct ProfileCase {
  const char* pointer;
  const char* value;
  const char* rule;
  Outcome outcome;
};
class ProfileRule : public testing::TestWithParam<ProfileCase> {};

TEST_P(ProfileRule, Outcome) {
  const auto& c = GetParam();
  Json profile = profile_json("baseline");
  profile[Json::json_pointer(c.pointer)] = Json::parse(c.value);
  const auto decision = decide(spec_of(sample_json("docker20-default")), profile_of(profile),
                               good_host(), host_context());
  const Finding* finding = find_rule(decision, c.rule);
  ASSERT_NE(finding, nullptr) << c.rule << "\n" << rules_of(decision);
  EXPECT_EQ(finding->outcome, c.outcome);
  const auto before = decide(spec_of(sample_json("docker20-default")),
                             profile_of(profile_json("baseline")), good_host(), host_context());
  EXPECT_FALSE(before.denied);
}

INSTANTIATE_TEST_SUITE_P(
    All, ProfileRule,
    testing::Values(
        ProfileCase{"/capabilities/beyond", "\"deny\"", "capabilities.ceiling", Outcome::deny},
        ProfileCase{"/hooks/allowed", "\"none\"", "hooks.none", Outcome::deny},
        ProfileCase{"/network/mode", "\"none\"", "hooks.listed", Outcome::keep},
        ProfileCase{"/rootfs/readonly", "true", "rootfs.readonly", Outcome::tighten},
        ProfileCase{"/selinux/require", "true", "selinux.required", Outcome::deny},
        ProfileCase{"/resources/required", R"(["memory"])", "resources.required", Outcome::deny},
        ProfileCase{"/resources/required", R"(["pids","cpu"])", "resources.required",
                    Outcome::deny},
        ProfileCase{"/resources/memory_max", "1000000", "resources.memory", Outcome::tighten},
        ProfileCase{"/resources/cpu_max_millis", "500", "resources.cpu", Outcome::tighten},
        ProfileCase{"/user/uids", R"([{"min":5,"max":9}])", "capabilities.ceiling",
                    Outcome::tighten},
        ProfileCase{"/user/root", "\"never\"", "user.root", Outcome::deny},
        ProfileCase{"/host/min_kernel", "\"6.2\"", "host.kernel", Outcome::deny},
        ProfileCase{"/host/facts", R"(["selinux"])", "host.selinux", Outcome::deny},
        ProfileCase{"/image/level", "\"chain\"", "image.unverified", Outcome::deny},
        ProfileCase{"/masked_paths", R"(["/proc/new"])", "paths.masked", Outcome::tighten}));

TEST(Decide, SeccompRequired) {
  const Json need = {{"seccomp", {{"require_own", true}}}};
  EXPECT_EQ(find_rule(decide_profile("baseline", need, {}, host_context()), "seccomp.required"),
            nullptr);
  const Json none = {{"linux", {{"seccomp", nullptr}}}};
  EXPECT_NE(find_rule(decide_profile("baseline", need, none, host_context()), "seccomp.required"),
            nullptr);
}

TEST(Decide, NetworkNoneRefusesAJoinedNamespace) {
  Json config = sample_json("docker20-default");
  config["linux"]["namespaces"][1]["path"] = "/run/netns/x";
  Json profile = profile_json("baseline");
  profile["network"]["mode"] = "none";
  const auto decision = decide(spec_of(config), profile_of(profile), good_host(), host_context());
  EXPECT_NE(find_rule(decision, "network.none"), nullptr);
}

TEST(Decide, UidRange) {
  const Json range = {{"user", {{"uids", {{{"min", 1000}, {"max", 1999}}}}}}};
  for (const auto& [uid, refused] :
       {std::pair{999, true}, {1000, false}, {1999, false}, {2000, true}}) {
    const Json config = {{"process", {{"user", {{"uid", uid}, {"gid", 7}}}}}};
    const auto decision = decide_profile("baseline", range, config, host_context());
    EXPECT_EQ(find_rule(decision, "user.uid") != nullptr, refused) << uid;
  }
}

TEST(Decide, RootInAUserNamespaceOfItsOwn) {
  const auto at_host = [](unsigned host_id) {
    Json config = job_config();
    config["process"]["user"] = {{"uid", 0}, {"gid", 0}};
    config["linux"]["namespaces"].push_back({{"type", "user"}});
    for (const char* key : {"uidMappings", "gidMappings"})
      config["linux"][key] = {{{"containerID", 0}, {"hostID", host_id}, {"size", 65536}}};
    JobContext context = job_context();
    context.image->user = "0:0";
    return decide(spec_of(config), profile_of(profile_json("restricted")), good_host(), context);
  };
  EXPECT_FALSE(at_host(100000).denied) << rules_of(at_host(100000));
  EXPECT_NE(find_rule(at_host(0), "user.root"), nullptr);
}

// The namespace of another container counts by the mappings it has; without any it could be the
// host's.
TEST(Decide, RootInAUserNamespaceThatIsJoined) {
  const auto decided = [](const Json& maps) {
    Json profile = profile_json("restricted");
    profile["namespaces"]["join"].push_back("user");
    Json config = job_config();
    config["process"]["user"] = {{"uid", 0}, {"gid", 0}};
    config["linux"]["namespaces"].push_back({{"type", "user"}, {"path", "/proc/7/ns/user"}});
    for (const char* key : {"uidMappings", "gidMappings"}) config["linux"][key] = maps;
    JobContext context = job_context();
    context.image->user = "0:0";
    return decide(spec_of(config), profile_of(profile), good_host(), context);
  };
  const auto away = decided({{{"containerID", 0}, {"hostID", 100000}, {"size", 65536}}});
  EXPECT_FALSE(away.denied) << rules_of(away);
  EXPECT_NE(find_rule(decided({{{"containerID", 0}, {"hostID", 0}, {"size", 1}}}), "user.root"),
            nullptr);
  EXPECT_NE(find_rule(decided(Json::array()), "user.root"), nullptr);
}

// Who owns files of id 0 through a mapping is root on the source; only who may be root anyway may.
TEST(Decide, IdmapsGiveRootOnlyToThoseWhoMayBeRoot) {
  const auto decided = [](const char* root, int first, bool listed = true, int host = 1000) {
    const Json profile = {
        {"user", {{"root", root}}},
        {"mounts",
         {{"rules",
           {{{"type", "bind"}, {"destination", "/*"}, {"source", "/*"}, {"idmap", listed}}}}}}};
    const Json map = {{{"containerID", first}, {"hostID", host}, {"size", 10}}};
    const Json config = {{"process", {{"user", {{"uid", 1000}, {"gid", 1000}}}}},
                         {"mounts",
                          {{{"destination", "/m"},
                            {"source", "/srv/a"},
                            {"options", {"bind", "idmap"}},
                            {"uidMappings", map},
                            {"gidMappings", map}}}}};
    return decide_profile("baseline", profile, config, host_context());
  };
  EXPECT_FALSE(decided("always", 0).denied) << rules_of(decided("always", 0));
  EXPECT_FALSE(decided("never", 1).denied) << rules_of(decided("never", 1));
  EXPECT_NE(find_rule(decided("never", 0), "mounts.idmap-root"), nullptr);
  EXPECT_NE(find_rule(decided("in-user-namespace", 0), "mounts.idmap-root"), nullptr);
  // A set-user-ID file of whoever is shown as the host's root would run as that.
  EXPECT_NE(find_rule(decided("never", 1000, true, 0), "mounts.idmap-root"), nullptr);
  EXPECT_NE(find_rule(decided("always", 1, /*listed=*/false), "mounts.idmap"), nullptr);
}

// The change of ids on the way into a container would make a process of the runtime traceable.
TEST(Decide, AHostWhoseProcessesShowThemselvesIsRefused) {
  HostFacts host = good_host();
  host.dumps_after_setuid = true;
  EXPECT_NE(
      find_rule(decide_profile("baseline", {}, {}, host_context(), host), "host.suid-dumpable"),
      nullptr);
  const oci::Spec spec = spec_of(sample_json("docker20-default"));
  const auto exec =
      decide_exec(*spec.process, spec, profile_of(profile_json("baseline")), host, {});
  EXPECT_NE(find_rule(exec, "host.suid-dumpable"), nullptr);
}

TEST(Decide, ResourceCeilingsKeepWhatIsWithin) {
  const Json patch = {{"resources", {{"memory_max", 1000}, {"cpu_max_millis", 500}}}};
  const Json within = {{"linux",
                        {{"resources",
                          {{"memory", {{"limit", 1000}, {"swap", 1000}}},
                           {"cpu", {{"quota", 50000}, {"period", 100000}}}}}}}};
  const auto kept = decide_profile("baseline", patch, within, host_context());
  for (const char* rule : {"resources.memory", "resources.swap", "resources.cpu"})
    EXPECT_EQ(find_rule(kept, rule), nullptr) << rule;
  const Json above = {{"linux",
                       {{"resources",
                         {{"memory", {{"limit", 1001}, {"swap", -1}}},
                          {"cpu", {{"quota", 50001}, {"period", 100000}}}}}}}};
  const auto cut = decide_profile("baseline", patch, above, host_context());
  for (const char* rule : {"resources.memory", "resources.swap", "resources.cpu"})
    EXPECT_NE(find_rule(cut, rule), nullptr) << rule;
  EXPECT_EQ(cut.spec.linux.resources.memory.limit, 1000);
  EXPECT_EQ(cut.spec.linux.resources.memory.swap, 1000);
  EXPECT_EQ(cut.spec.linux.resources.cpu.quota, 50000);
}

TEST(Decide, UnifiedDoesNotSlipPastACeiling) {
  const Json patch = {{"resources", {{"pids_max", 10}, {"unified", {"pids.max"}}}}};
  const Json config = {{"linux", {{"resources", {{"unified", {{"pids.max", "max"}}}}}}}};
  EXPECT_NE(
      find_rule(decide_profile("baseline", patch, config, host_context()), "resources.unified"),
      nullptr);
}

TEST(Decide, SysctlNeedsItsNamespace) {
  Json config = sample_json("docker20-default");
  config["linux"]["namespaces"].erase(1);
  Json profile = profile_json("baseline");
  profile["network"]["mode"] = "unsafe_host";
  const auto decision = decide(spec_of(config), profile_of(profile), good_host(), host_context());
  EXPECT_NE(find_rule(decision, "sysctls.namespace"), nullptr);
  EXPECT_EQ(find_rule(decision, "network.host"), nullptr);
}

TEST(Decide, DevicesOfTheProfile) {
  const Json patch = {{"devices",
                       {{"allowed",
                         {{{"path", "/dev/fuse"},
                           {"type", "c"},
                           {"major", 10},
                           {"minor", 229},
                           {"access", "rw"}}}}}}};
  const auto with_access = [&](const char* access) {
    const Json config = {
        {"linux",
         {{"devices", {{{"path", "/dev/fuse"}, {"type", "c"}, {"major", 10}, {"minor", 229}}}},
          {"resources",
           {{"devices",
             {{{"allow", false}},
              {{"allow", true},
               {"type", "c"},
               {"major", 10},
               {"minor", 229},
               {"access", access}}}}}}}}};
    return decide_profile("baseline", patch, config, host_context());
  };
  EXPECT_FALSE(with_access("rw").denied) << rules_of(with_access("rw"));
  EXPECT_NE(find_rule(with_access("rwm"), "devices.rule"), nullptr);
}

TEST(Decide, BindIsReadOnlyUnlessTheRuleSaysOtherwise) {
  Json profile = profile_json("restricted");
  profile["mounts"]["rules"].push_back(
      {{"type", "bind"}, {"source", "/srv/public/*"}, {"destination", "/public"}});
  Json config = job_config();
  config["mounts"].push_back({{"destination", "/public"},
                              {"type", "bind"},
                              {"source", "/srv/public/a"},
                              {"options", {"rbind", "rw"}}});
  JobContext context = job_context();
  const auto bound = decide(spec_of(config), profile_of(profile), good_host(), context);
  ASSERT_NE(find_rule(bound, "mounts.writable"), nullptr) << rules_of(bound);
  EXPECT_FALSE(bound.denied);
  const auto& options = bound.spec.mounts.back().options;
  EXPECT_NE(std::ranges::find(options, "ro"), options.end());
  EXPECT_EQ(std::ranges::find(options, "rw"), options.end());
  context.resolved["/srv/public/a"] = "/srv/secret";  // a link out of the allowed folder
  const auto out = decide(spec_of(config), profile_of(profile), good_host(), context);
  EXPECT_NE(find_rule(out, "mounts.rule"), nullptr);
  context.resolved["/srv/public/a"] = "/etc/shadow";
  const auto worse = decide(spec_of(config), profile_of(profile), good_host(), context);
  EXPECT_NE(find_rule(worse, "mounts.forbidden-source"), nullptr);
}

TEST(Decide, AmbientWithinTheCeiling) {
  const Json config = {
      {"process",
       {{"capabilities", {{"inheritable", {"CAP_CHOWN"}}, {"ambient", {"CAP_CHOWN"}}}}}}};
  const auto kept = decide_profile("baseline", {}, config, host_context());
  EXPECT_EQ(kept.spec.process->capabilities->ambient.size(), 1U);
  EXPECT_EQ(kept.spec.process->capabilities->inheritable.size(), 1U);
  const Json no_ambient = {{"capabilities", {{"ambient", false}}}};
  const auto cut = decide_profile("baseline", no_ambient, config, host_context());
  EXPECT_NE(find_rule(cut, "capabilities.ambient"), nullptr);
  EXPECT_TRUE(cut.spec.process->capabilities->inheritable.empty());
}

}  // namespace
}  // namespace casemate::policy
