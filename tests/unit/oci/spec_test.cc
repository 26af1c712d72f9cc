#include "shim/oci/spec.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

namespace casemate::oci {
namespace {

namespace stdfs = std::filesystem;
const stdfs::path kSamples = stdfs::path(CASEMATE_SOURCE_DIR) / "tests/golden/policy/samples";

std::string slurp(const stdfs::path& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

const char* const kMinimal = R"({
  "ociVersion": "1.0.2", "hostname": "h", "root": {"path": "rootfs"},
  "process": {"user": {"uid": 1, "gid": 2, "additionalGids": [3]}, "args": ["/bin/true"],
              "env": ["A=b"], "cwd": "/",
              "rlimits": [{"type": "RLIMIT_CORE", "hard": 1, "soft": 0}]},
  "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
  "hooks": {"prestart": [{"path": "/bin/hook"}]},
  "linux": {"namespaces": [{"type": "pid"}], "sysctl": {"net.ipv4.ip_forward": "1"},
            "devices": [{"path": "/dev/x", "type": "c", "major": 1, "minor": 3}],
            "resources": {"devices": [{"allow": false}]},
            "seccomp": {"defaultAction": "SCMP_ACT_ALLOW",
                        "syscalls": [{"names": ["x"], "action": "SCMP_ACT_ERRNO"}]}}
})";

// The minimal config with the value at `pointer` replaced (or added).
std::string with(const std::string& pointer, const Json& value) {
  Json json = Json::parse(kMinimal);
  json[Json::json_pointer(pointer)] = value;
  return json.dump();
}

TEST(Spec, SamplesParse) {
  int count = 0;
  for (const auto& entry : stdfs::directory_iterator(kSamples)) {
    const auto text = slurp(entry.path());
    const bool config = entry.path().string().ends_with(".config.json");
    if (config) {
      const auto spec = parse_spec(text);
      EXPECT_TRUE(spec) << entry.path() << ": " << (spec ? "" : spec.error().message());
    } else {
      const auto process = parse_process(text);
      EXPECT_TRUE(process) << entry.path() << ": " << (process ? "" : process.error().message());
    }
    ++count;
  }
  EXPECT_GE(count, 10);
}

TEST(Spec, DockerSampleKeepsItsValues) {
  const auto spec = parse_spec(slurp(kSamples / "docker20-tty-limits.config.json"));
  ASSERT_TRUE(spec);
  EXPECT_TRUE(spec->process->terminal);
  EXPECT_TRUE(spec->process->no_new_privileges);
  EXPECT_TRUE(spec->root.readonly);
  EXPECT_EQ(spec->linux.resources.memory.limit, 67108864);
  EXPECT_EQ(spec->linux.resources.memory.swap, 134217728);
  EXPECT_EQ(spec->linux.resources.cpu.quota, 50000);
  EXPECT_EQ(spec->linux.resources.pids_limit, 100);
  EXPECT_EQ(spec->hooks.prestart.front().path, "/proc/6242/exe");
  EXPECT_EQ(spec->hooks.prestart.front().args.front(), "libnetwork-setkey");
  EXPECT_TRUE(spec->linux.has(NamespaceType::network));
  EXPECT_FALSE(spec->linux.has(NamespaceType::user));
  EXPECT_EQ(spec->linux.resources.devices.front().type, 'a');
  ASSERT_TRUE(spec->linux.seccomp);
  EXPECT_FALSE(spec->linux.seccomp->syscalls.empty());
}

TEST(Spec, MinimalParses) {
  const auto spec = parse_spec(kMinimal);
  ASSERT_TRUE(spec) << spec.error().message();
  EXPECT_EQ(spec->process->user.additional_gids, std::vector<std::uint32_t>{3});
}

struct Refusal {
  const char* pointer;
  const char* value;  // JSON
  const char* rule;
  ErrorClass cls = ErrorClass::bad_input;
};

class SpecRefuses : public testing::TestWithParam<Refusal> {};

TEST_P(SpecRefuses, Value) {
  const auto& c = GetParam();
  const auto spec = parse_spec(with(c.pointer, Json::parse(c.value)));
  ASSERT_FALSE(spec) << c.pointer << " = " << c.value;
  EXPECT_EQ(spec.error().rule, c.rule) << spec.error().message();
  EXPECT_EQ(spec.error().cls, c.cls);
}

constexpr auto kUnsupported = ErrorClass::unsupported;
INSTANTIATE_TEST_SUITE_P(
    Process, SpecRefuses,
    testing::Values(
        Refusal{"/process/user/uid", "4294967295", "oci.uid-range"},
        Refusal{"/process/user/uid", "4294967296", "oci.uid-range"},
        Refusal{"/process/user/uid", "2147483648", "oci.uid-range"},
        Refusal{"/process/user/uid", "18446744073709551615", "oci.uid-range"},
        Refusal{"/process/user/uid", "-1", "oci.uid-range"},
        Refusal{"/process/user/uid", "1.5", "oci.uid-range"},
        Refusal{"/process/user/uid", "\"1\"", "oci.uid-range"},
        Refusal{"/process/user/gid", "2147483648", "oci.uid-range"},
        Refusal{"/process/user/additionalGids/0", "4294967296", "oci.uid-range"},
        Refusal{"/process/user/additionalGids/0", "null", "oci.uid-range"},
        Refusal{"/process/user/umask", "512", "oci.umask"},
        Refusal{"/process/args", "[]", "oci.args"}, Refusal{"/process/args", "[\"\"]", "oci.args"},
        Refusal{"/process/args", "null", "json.missing-key"},
        Refusal{"/process/args", "\"sh\"", "json.type"},
        Refusal{"/process/cwd", "\"tmp\"", "oci.cwd"}, Refusal{"/process/cwd", "\"\"", "oci.cwd"},
        Refusal{"/process/env", "[\"=x\"]", "oci.env"},
        Refusal{"/process/env", "[\"x\"]", "oci.env"},
        Refusal{"/process/oomScoreAdj", "-1001", "oci.oom-score"},
        Refusal{"/process/rlimits/0/type", "\"NOFILE\"", "oci.rlimit"},
        Refusal{"/process/rlimits/0/soft", "2", "oci.rlimit"},
        Refusal{"/process/capabilities", "{\"bounding\":[\"chown\"]}", "oci.capability"},
        Refusal{"/process/consoleSize", "{\"height\":65536,\"width\":1}", "oci.number-range"},
        Refusal{"/process/apparmorProfile", "\"docker-default\"", "oci.apparmorProfile",
                kUnsupported}));

INSTANTIATE_TEST_SUITE_P(
    Root, SpecRefuses,
    testing::Values(Refusal{"/ociVersion", "\"2.0.0\"", "oci.version"},
                    Refusal{"/ociVersion", "\"1.\"", "oci.version"},
                    Refusal{"/root/path", "\"\"", "oci.root-path"},
                    Refusal{"/hostname", "\"a\\nb\"", "oci.hostname"},
                    Refusal{"/domainname", "\"\\u0007\"", "oci.hostname"},
                    Refusal{"/mounts/0/destination", "\"proc\"", "oci.mount-destination"},
                    Refusal{"/mounts/0/destination", "\"/a/../b\"", "oci.mount-destination"},
                    Refusal{"/mounts/0/destination", "\"\"", "oci.mount-destination"},
                    Refusal{"/mounts/0/type", "\"\"", "oci.mount-type"},
                    Refusal{"/mounts/0/options", "[\"idmap\"]", "oci.mount-idmap"},
                    Refusal{"/mounts/0/uidMappings", "[{\"containerID\":0}]", "oci.id-mapping"},
                    Refusal{"/mounts/0/uidMappings",
                            "[{\"containerID\":0,\"hostID\":1,\"size\":1}]", "oci.mount-idmap"},
                    Refusal{"/mounts/0", "{\"destination\":\"/x\",\"options\":[\"rbind\"]}",
                            "oci.mount-source"},
                    Refusal{"/hooks/prestart/0/path", "\"hook\"", "oci.hook-path"},
                    Refusal{"/hooks/prestart/0/timeout", "0", "oci.hook-timeout"},
                    Refusal{"/annotations", "{\"a\\nb\":\"c\"}", "oci.annotation"},
                    Refusal{"/vm", "{\"kernel\":{}}", "oci.vm", kUnsupported},
                    Refusal{"/windows", "{\"x\":1}", "oci.windows", kUnsupported},
                    Refusal{"/solaris", "{\"x\":1}", "oci.solaris", kUnsupported},
                    Refusal{"/zos", "{\"x\":1}", "oci.zos", kUnsupported}));

INSTANTIATE_TEST_SUITE_P(
    Linux, SpecRefuses,
    testing::Values(
        Refusal{"/linux/namespaces/0/type", "\"mnt\"", "oci.namespace"},
        Refusal{"/linux/namespaces/1", "{\"type\":\"pid\"}", "oci.namespace"},
        Refusal{"/linux/namespaces/0/path", "\"ns\"", "oci.namespace-path"},
        Refusal{"/linux/namespaces/0/type", "\"user\"", "oci.id-mapping"},
        Refusal{"/linux/uidMappings", "[{\"containerID\":0,\"hostID\":1,\"size\":1}]",
                "oci.id-mapping"},
        Refusal{"/linux/uidMappings", "[{\"containerID\":0,\"hostID\":1,\"size\":2147483648}]",
                "oci.id-mapping"},
        Refusal{"/linux/sysctl", "{\"../kernel\":\"1\"}", "oci.sysctl-key"},
        Refusal{"/linux/sysctl", "{\"/kernel\":\"1\"}", "oci.sysctl-key"},
        Refusal{"/linux/sysctl", "{\"a..b\":\"1\"}", "oci.sysctl-key"},
        Refusal{"/linux/sysctl", "{\"a+b\":\"1\"}", "oci.sysctl-key"},
        Refusal{"/linux/sysctl", "{\"net.x\":\"1\\n2\"}", "oci.sysctl-value"},
        Refusal{"/linux/devices/0/type", "\"x\"", "oci.device-type"},
        Refusal{"/linux/devices/0/major", "4096", "oci.device-number"},
        Refusal{"/linux/resources/devices/0/access", "\"rx\"", "oci.device-access"},
        Refusal{"/linux/resources/cpu", "{\"cpus\":\"0;1\"}", "oci.cpu-list"},
        Refusal{"/linux/resources/unified", "{\"../x\":\"1\"}", "oci.unified-key"},
        Refusal{"/linux/resources/unified", "{\"a/b.c\":\"1\"}", "oci.unified-key"},
        Refusal{"/linux/resources/unified", "{\"memory.high\":\"1\\n\"}", "oci.unified-value"},
        Refusal{"/linux/resources/hugepageLimits", "[{\"pageSize\":\"2M/\",\"limit\":1}]",
                "oci.hugepage-size"},
        Refusal{"/linux/resources/memory", "{\"limit\":-2}", "oci.number-range"},
        Refusal{"/linux/resources/memory", "{\"limit\":9223372036854775808}", "json.type"},
        Refusal{"/linux/cgroupsPath", "\"/a/../../b\"", "oci.cgroups-path"},
        Refusal{"/linux/maskedPaths", "[\"proc\"]", "oci.path"},
        Refusal{"/linux/rootfsPropagation", "\"rshare\"", "oci.rootfs-propagation"},
        Refusal{"/linux/seccomp/defaultAction", "\"SCMP_ACT_NOTIFY\"", "oci.seccomp-notify",
                kUnsupported},
        Refusal{"/linux/seccomp/syscalls/0/action", "\"SCMP_ACT_NOTIFY\"", "oci.seccomp-notify",
                kUnsupported},
        Refusal{"/linux/seccomp/syscalls/0/action", "\"ALLOW\"", "oci.seccomp-action"},
        Refusal{"/linux/seccomp/listenerPath", "\"/run/x\"", "oci.listenerPath", kUnsupported},
        Refusal{"/linux/intelRdt", "{\"closID\":\"x\"}", "oci.intelRdt", kUnsupported},
        Refusal{"/linux/netDevices", "{\"eth0\":{\"name\":\"x\"}}", "oci.netDevices", kUnsupported},
        Refusal{"/linux/timeOffsets", "{\"monotonic\":{\"secs\":1}}", "oci.time-offset"}));

struct Acceptance {
  const char* pointer;
  const char* value;
};
class SpecAccepts : public testing::TestWithParam<Acceptance> {};

TEST_P(SpecAccepts, Value) {
  const auto spec = parse_spec(with(GetParam().pointer, Json::parse(GetParam().value)));
  EXPECT_TRUE(spec) << GetParam().pointer << ": " << spec.error().message();
}

// The near misses of the refusals above.
INSTANTIATE_TEST_SUITE_P(
    NearMiss, SpecAccepts,
    testing::Values(
        Acceptance{"/process/user/uid", "2147483647"}, Acceptance{"/process/user/umask", "511"},
        Acceptance{"/process/env", "[\"A=\",\"A=1\",\"A=2\"]"},
        Acceptance{"/process/apparmorProfile", "\"unconfined\""},
        Acceptance{"/process/apparmorProfile", "\"\""}, Acceptance{"/process/oomScoreAdj", "-1000"},
        Acceptance{"/ociVersion", "\"1.2.0+dev\""}, Acceptance{"/vm", "{}"},
        Acceptance{"/linux/intelRdt", "null"}, Acceptance{"/mounts/0/destination", "\"/a..b/..c\""},
        Acceptance{"/linux/sysctl", "{\"net/ipv4/conf/eth0.1/x\":\"1\"}"},
        Acceptance{"/linux/devices/0/major", "4095"},
        Acceptance{"/linux/resources/unified", "{\"memory.high\":\"1\"}"},
        Acceptance{"/linux/resources/memory", "{\"limit\":-1}"},
        Acceptance{"/annotations", "{\"a\":\"line\\nline\"}"},
        Acceptance{"/unknown", "{\"x\":1}"}));

TEST(Spec, DuplicateKeysAndTrailingDataAreRefused) {
  EXPECT_EQ(parse_spec(R"({"ociVersion":"1.0.0","ociVersion":"1.0.1"})").error().rule,
            "json.duplicate-key");
  EXPECT_FALSE(parse_spec(std::string(kMinimal) + "x"));
  EXPECT_FALSE(parse_spec(""));
  EXPECT_EQ(parse_spec(with("/process/cwd", std::string("/a\0b", 4))).error().rule, "json.nul");
}

TEST(Spec, BindOptionMakesAnyTypeABind) {
  const auto spec = parse_spec(with(
      "/mounts/0",
      {{"destination", "/p//./x/"}, {"type", "proc"}, {"source", "/a"}, {"options", {"rbind"}}}));
  ASSERT_TRUE(spec);
  EXPECT_EQ(spec->mounts.front().type, "bind");
  EXPECT_EQ(spec->mounts.front().destination, "/p/x");
}

TEST(Spec, IdmappedMounts) {
  const Json map = {{{"containerID", 5}, {"hostID", 1000}, {"size", 7}}};
  Json mount = {{"destination", "/m"}, {"source", "/s"}, {"options", {"rbind"}}};
  mount["uidMappings"] = mount["gidMappings"] = map;
  const auto spec = parse_spec(with("/mounts/0", mount));
  ASSERT_TRUE(spec) << spec.error().message();
  const Mount& found = spec->mounts.front();
  EXPECT_EQ(found.options, (std::vector<std::string>{"rbind", "idmap"}));  // what mappings mean
  EXPECT_TRUE(found.idmapped());
  EXPECT_EQ(found.uid_mappings.front().host_id, 1000u);
  EXPECT_EQ(found.gid_mappings.front().size, 7u);

  mount["options"] = {"bind", "ridmap"};
  EXPECT_EQ(parse_spec(with("/mounts/0", mount))->mounts.front().options.size(), 2u);
  mount["options"] = Json::array();
  mount["type"] = "tmpfs";
  EXPECT_EQ(parse_spec(with("/mounts/0", mount)).error().rule, "oci.mount-idmap");
}

// Without mappings they are those of the container's user namespace; there must be one.
TEST(Spec, IdmapTakesTheMappingsOfTheUserNamespace) {
  Json json = Json::parse(kMinimal);
  json["mounts"][0] = {{"destination", "/m"}, {"source", "/s"}, {"options", {"bind", "idmap"}}};
  const auto refused = parse_spec(json.dump());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().rule, "oci.mount-idmap");
  EXPECT_EQ(refused.error().pointer, "/mounts/0");
  json["linux"]["namespaces"].push_back({{"type", "user"}, {"path", "/proc/7/ns/user"}});
  EXPECT_TRUE(parse_spec(json.dump()));
}

// Of a joined user namespace the mappings are known: they may be left out, both or neither.
TEST(Spec, MappingsOfAJoinedUserNamespace) {
  Json json = Json::parse(kMinimal);
  json["linux"]["namespaces"].push_back({{"type", "user"}, {"path", "/proc/7/ns/user"}});
  EXPECT_TRUE(parse_spec(json.dump()));
  json["linux"]["uidMappings"] = {{{"containerID", 0}, {"hostID", 1}, {"size", 1}}};
  EXPECT_EQ(parse_spec(json.dump()).error().rule, "oci.id-mapping");
  json["linux"]["gidMappings"] = json["linux"]["uidMappings"];
  EXPECT_TRUE(parse_spec(json.dump()));
}

TEST(Spec, OffsetsAreForNewTimeNamespacesOnly) {
  Json json = Json::parse(kMinimal);
  json["linux"]["timeOffsets"] = {{"boottime", {{"secs", 1}}}};
  json["linux"]["namespaces"].push_back({{"type", "time"}});
  EXPECT_TRUE(parse_spec(json.dump()));
  json["linux"]["namespaces"].back()["path"] = "/proc/7/ns/time";
  EXPECT_EQ(parse_spec(json.dump()).error().rule, "oci.time-offset");
}

TEST(Spec, NormalisePath) {
  EXPECT_EQ(normalise_path("/"), "/");
  EXPECT_EQ(normalise_path("//a/./b//"), "/a/b");
  EXPECT_EQ(normalise_path("/a/.."), "/a/..");
}

// Random damage to real configurations: never a crash, and an error always names its rule.
TEST(Spec, MutatedSamplesNeverCrash) {
  std::mt19937 random(20261);
  const auto original = slurp(kSamples / "docker20-default.config.json");
  std::string base = Json::parse(original).dump();
  for (int round = 0; round < 400; ++round) {
    std::string text = base;
    for (int hit = 0; hit < 1 + round % 4; ++hit)
      text[random() % text.size()] = "\"{}[]:,0-9\\\x01\xff"[random() % 14];
    if (round % 5 == 0) text.resize(random() % text.size());
    const auto spec = parse_spec(text);
    EXPECT_TRUE(spec || !spec.error().rule.empty());
  }
}

// Every value in turn replaced by a value of each type: refused or harmless, never a crash.
TEST(Spec, EveryValueReplacedByEveryType) {
  const Json values[] = {nullptr,
                         true,
                         -1,
                         18446744073709551615ULL,
                         1e300,
                         "",
                         "x\n",
                         Json::array(),
                         Json::object(),
                         Json::array({nullptr, Json::object()})};
  const Json flat = Json::parse(kMinimal).flatten();
  for (const auto& [pointer, ignored] : flat.items())
    for (const auto& value : values) {
      const auto spec = parse_spec(with(pointer, value));
      EXPECT_TRUE(spec || !spec.error().rule.empty()) << pointer;
    }
}

TEST(Process, ParsesAloneAndNamesPointersFromItsOwnRoot) {
  const auto process = parse_process(R"({"args":["x"],"cwd":"/","user":{"uid":-1}})");
  ASSERT_FALSE(process);
  EXPECT_EQ(process.error().pointer, "/user/uid");
  EXPECT_TRUE(parse_process(R"({"args":["x"],"cwd":"/"})"));
}

}  // namespace
}  // namespace casemate::oci
