#include "policy/decide.h"

#include <algorithm>

#include "policy/explain.h"
#include "tests/unit/policy/fixture.h"

namespace casemate::policy {
namespace {

// One change to an allowed request, and what the policy says to it.
struct Case {
  const char* profile;  // "restricted": the job; "baseline": Docker's default container
  const char* pointer;
  const char* value;  // JSON
  const char* rule;   // "" : nothing is denied
  Outcome outcome = Outcome::deny;
};

Decision decide_case(const Case& c) {
  const bool job = std::string_view(c.profile) == "restricted";
  Json config = job ? job_config() : sample_json("docker20-default");
  config[Json::json_pointer(c.pointer)] = Json::parse(c.value);
  return decide(spec_of(config), profile_of(profile_json(c.profile)), good_host(),
                job ? job_context() : host_context());
}

class DecideCase : public testing::TestWithParam<Case> {};

TEST_P(DecideCase, Outcome) {
  const Case& c = GetParam();
  const Decision decision = decide_case(c);
  const std::string all = rules_of(decision);
  if (*c.rule == '\0') {
    EXPECT_FALSE(decision.denied) << c.pointer << " " << c.value << "\n" << all;
    return;
  }
  const Finding* finding = find_rule(decision, c.rule);
  ASSERT_NE(finding, nullptr) << c.pointer << " " << c.value << "\n" << all;
  EXPECT_EQ(finding->outcome, c.outcome);
  EXPECT_EQ(decision.denied, c.outcome == Outcome::deny) << all;
  EXPECT_FALSE(finding->asked.empty());
  EXPECT_FALSE(finding->bound.empty());
}

constexpr auto kTighten = Outcome::tighten;
constexpr const char* kJob = "restricted";
constexpr const char* kPlain = "baseline";

INSTANTIATE_TEST_SUITE_P(
    Namespaces, DecideCase,
    testing::Values(
        Case{kPlain, "/linux/namespaces", R"([{"type":"mount"},{"type":"network"},{"type":"uts"},
             {"type":"ipc"}])",
             "namespaces.required"},
        Case{kPlain, "/linux/namespaces", R"([{"type":"mount"},{"type":"pid"},{"type":"uts"},
             {"type":"ipc"}])",
             "network.host"},
        Case{kPlain, "/linux/namespaces/1/path", R"("/proc/1/ns/net")", "namespaces.host-path"},
        Case{kPlain, "/linux/namespaces/1/path", R"("/proc/self/ns/net")", "namespaces.host-path"},
        Case{kPlain, "/linux/namespaces/1/path", R"("/proc/17/ns/net")", ""},
        Case{kPlain, "/linux/namespaces/1/path", R"("/run/netns/x")", ""},
        Case{kPlain, "/linux/namespaces/0/path", R"("/run/mnt")", "namespaces.mount"},
        Case{kPlain, "/linux/namespaces/5", R"({"type":"time","path":"/proc/17/ns/time"})", ""},
        Case{kPlain, "/linux/namespaces/5", R"({"type":"user","path":"/proc/17/ns/user"})",
             "namespaces.join"},
        Case{kPlain, "/linux/namespaces/5", R"({"type":"time","path":"/proc/1/ns/time"})",
             "namespaces.host-path"},
        Case{kJob, "/linux/namespaces/5", R"({"type":"user","path":"/proc/17/ns/user"})",
             "namespaces.join"},
        Case{kJob, "/linux/namespaces/5", R"({"type":"time","path":"/proc/17/ns/time"})",
             "namespaces.join"},
        Case{kJob, "/linux/namespaces/4/path", R"("/proc/17/ns/ipc")", "namespaces.join"},
        Case{kJob, "/linux/namespaces/1/path", R"("/run/netns/x")", ""},
        Case{kJob, "/linux/sysctl", "{}", "namespaces.required", kTighten},
        Case{kPlain, "/linux/rootfsPropagation", R"("rshared")", "mounts.propagation"},
        Case{kPlain, "/linux/rootfsPropagation", R"("rslave")", ""}));

INSTANTIATE_TEST_SUITE_P(
    Process, DecideCase,
    testing::Values(
        Case{kJob, "/process/user/uid", "0", "user.root"},
        Case{kJob, "/process/user/uid", "1001", "process.user"},
        Case{kJob, "/process/user/gid", "0", "user.gid"},
        Case{kJob, "/process/user/additionalGids", "[0]", "user.groups", kTighten},
        Case{kJob, "/process/user/additionalGids", "[5]", ""},
        Case{kPlain, "/process/user/uid", "0", ""},
        Case{kJob, "/process/args/0", R"("/bin/sh")", "process.args"},
        Case{kJob, "/process/args/1", R"("/train.py ")", "process.args"},
        Case{kJob, "/process/cwd", R"("/tmp")", "process.cwd"},
        Case{kJob, "/process/cwd", R"("/train/")", ""},
        Case{kPlain, "/process/cwd", R"("/proc/self/fd/7")", "process.cwd-proc"},
        Case{kPlain, "/process/cwd", R"("/.//proc/self/fd/7")", "process.cwd-proc"},
        Case{kPlain, "/process/cwd", R"("/process")", ""},
        Case{kPlain, "/process/args/0", R"("/proc/self/exe")", "process.args-proc"},
        Case{kPlain, "/process/args/0", R"("/procedure")", ""},
        Case{kJob, "/process/terminal", "true", "process.terminal"},
        Case{kPlain, "/process/terminal", "true", ""},
        Case{kJob, "/process/noNewPrivileges", "false", "process.no-new-privileges", kTighten},
        Case{kJob, "/process/oomScoreAdj", "-1", "resources.oom-score", kTighten},
        Case{kPlain, "/process/oomScoreAdj", "-997", ""},
        Case{kPlain, "/process/capabilities/bounding/0", R"("CAP_SYS_ADMIN")",
             "capabilities.refused"},
        Case{kPlain, "/process/capabilities/effective/0", R"("CAP_BPF")", "capabilities.refused"},
        Case{kPlain, "/process/capabilities/bounding/0", R"("CAP_NET_ADMIN")",
             "capabilities.ceiling", kTighten},
        Case{kPlain, "/process/capabilities/inheritable", R"(["CAP_CHOWN"])",
             "capabilities.inheritable", kTighten},
        Case{kJob, "/process/capabilities/ambient", R"(["CAP_CHOWN"])", "capabilities.ceiling",
             kTighten},
        Case{kJob, "/process/capabilities", "null", "capabilities.absent", kTighten},
        Case{kJob, "/process/rlimits", R"([{"type":"RLIMIT_CORE","hard":1,"soft":1}])",
             "rlimits.ceiling", kTighten},
        Case{kJob, "/process/rlimits", "[]", "rlimits.set", kTighten},
        Case{kJob, "/process/selinuxLabel", R"("system_u:system_r:unconfined_t:s0")",
             "selinux.type"},
        Case{kJob, "/process/selinuxLabel", R"("system_u:system_r:container_t:s0")",
             "selinux.host"},
        Case{kJob, "/linux/mountLabel", R"("system_u:object_r:etc_t:s0")", "selinux.type"}));

INSTANTIATE_TEST_SUITE_P(
    Env, DecideCase,
    testing::Values(
        Case{kPlain, "/process/env/1", R"("HOME=/x\nroot2::0:0")", "env.control-characters"},
        Case{kPlain, "/process/env/1", R"("A\u007f=b")", "env.control-characters"},
        Case{kPlain, "/process/env/1", R"("LD_PRELOAD=/x.so")", ""},
        Case{kPlain, "/process/env/1", R"("NVIDIA_VISIBLE_DEVICES=all")", "env.dropped", kTighten},
        Case{kPlain, "/process/env/1", R"("XNVIDIA_=1")", ""},
        Case{kJob, "/process/env/3", R"("LD_PRELOAD=/proc/self/cwd/x.so")", "env.denied"},
        Case{kJob, "/process/env/3", R"("NVIDIA_VISIBLE_DEVICES=all")", "env.denied"},
        Case{kJob, "/process/env/3", R"("GCONV_PATH=/x")", "env.denied"},
        Case{kJob, "/process/env/3", R"("EXTRA=1")", "process.env"},
        Case{kJob, "/process/env/2", R"("MODE=slow")", "process.env"},
        Case{kJob, "/process/env/3", R"("MODE=slow")", "process.env"},
        Case{kJob, "/process/env/1", R"("PATH=/evil")", "process.env"},
        Case{kJob, "/process/env/1", R"("HOSTNAME=a b")", "process.env"},
        Case{kJob, "/process/env/1", R"("TERM=xterm")", ""},
        Case{kJob, "/process/env", R"(["PATH=/usr/bin:/bin"])", "process.env-missing", kTighten}));

INSTANTIATE_TEST_SUITE_P(
    Mounts, DecideCase,
    testing::Values(
        Case{kPlain, "/mounts/0/destination", R"("/")", "mounts.root"},
        Case{kPlain, "/mounts/0/destination", R"("/proc2")", "mounts.proc"},
        Case{kPlain, "/mounts/9", R"({"destination":"/proc/self/attr","type":"tmpfs"})",
             "mounts.proc"},
        Case{kPlain, "/mounts/9", R"({"destination":"/proc","type":"bind","source":"/srv/a"})",
             "mounts.proc"},
        Case{kPlain, "/mounts/9", R"({"destination":"/sys/fs","type":"tmpfs"})", "mounts.sys"},
        Case{kPlain, "/mounts/9", R"({"destination":"/m","type":"tmpfs","options":["tmpcopyup"]})",
             "mounts.options", kTighten},
        Case{kPlain, "/mounts/9", R"({"destination":"/m","source":"/srv/a","options":["bind"],
             "uidMappings":[{"containerID":0,"hostID":1000,"size":1}],
             "gidMappings":[{"containerID":0,"hostID":1000,"size":1}]})",
             "mounts.options", kTighten},
        Case{kPlain, "/mounts/9", R"({"destination":"/m","source":"/etc/shadow","options":["bind"],
             "uidMappings":[{"containerID":0,"hostID":1000,"size":1}],
             "gidMappings":[{"containerID":0,"hostID":1000,"size":1}]})",
             "mounts.forbidden-source"},
        Case{kJob, "/mounts/9", R"({"destination":"/etc/hosts","source":"/srv/hosts",
             "options":["bind"],
             "uidMappings":[{"containerID":5,"hostID":1000,"size":1}],
             "gidMappings":[{"containerID":5,"hostID":1000,"size":1}]})",
             "mounts.idmap"},
        Case{kPlain, "/mounts/9", R"({"destination":"/sysroot","type":"tmpfs"})", ""},
        Case{kPlain, "/mounts/9", R"({"destination":"/dev","type":"bind","source":"/srv/a"})",
             "mounts.dev"},
        Case{kPlain, "/mounts/9", R"({"destination":"/dev/pts/0","type":"bind","source":"/srv/a"})",
             "mounts.dev"},
        Case{kPlain, "/mounts/9", R"({"destination":"/x","type":"bind","source":"/"})",
             "mounts.forbidden-source"},
        Case{kPlain, "/mounts/9", R"({"destination":"/x","type":"bind","source":"/etc"})",
             "mounts.forbidden-source"},
        Case{kPlain, "/mounts/9", R"({"destination":"/x","type":"bind","source":"/etc/shadow"})",
             "mounts.forbidden-source"},
        Case{kPlain, "/mounts/9", R"({"destination":"/x","type":"bind","source":"/etc/shadowy"})",
             ""},
        Case{kPlain, "/mounts/9", R"({"destination":"/x","type":"bind",
             "source":"/run/docker.sock"})",
             "mounts.forbidden-source"},
        Case{kPlain, "/mounts/9", R"({"destination":"/x","type":"bind","source":"/dev/nvidia1"})",
             "mounts.forbidden-source"},
        Case{kPlain, "/mounts/9", R"({"destination":"/x","type":"bind","source":"/srv/../etc"})",
             "mounts.source"},
        Case{kPlain, "/mounts/9", R"({"destination":"/x","type":"bind","source":"srv"})",
             "mounts.source"},
        Case{kPlain, "/mounts/9", R"({"destination":"/x","type":"bind","source":"/srv/a"})",
             "mounts.options", kTighten},
        Case{kPlain, "/mounts/9", R"({"destination":"/x","type":"tmpfs","options":["remount"]})",
             "mounts.remount"},
        Case{kPlain, "/mounts/9", R"({"destination":"/x","type":"bind","source":"/srv/a",
             "options":["rshared"]})",
             "mounts.propagation"},
        Case{kPlain, "/mounts/9", R"({"destination":"/x","type":"overlay"})", "mounts.rule"},
        Case{kPlain, "/mounts/9", R"({"destination":"/x","type":"tmpfs",
             "options":["context=\"system_u:object_r:etc_t:s0\""]})",
             "selinux.type"},
        Case{kPlain, "/mounts/9", R"({"destination":"/x","type":"tmpfs",
             "options":["context=\"system_u:object_r:container_file_t:s0\""]})",
             ""},
        Case{kPlain, "/mounts/3/options", R"(["nosuid","noexec","nodev","rw"])", "mounts.options",
             kTighten},
        Case{kJob, "/mounts/9", R"({"destination":"/x","type":"bind","source":"/srv/a"})",
             "mounts.rule"},
        Case{kJob, "/mounts/9", R"({"destination":"/train.py","type":"bind","source":"/srv/a"})",
             "mounts.rule"},
        Case{kJob, "/mounts/9", R"({"destination":"/usr","type":"tmpfs"})", "mounts.rule"},
        Case{kJob, "/mounts/9", R"({"destination":"/tmp","type":"tmpfs"})", "mounts.options",
             kTighten},
        Case{kJob, "/mounts/9",
             R"({"destination":"/etc/hosts","type":"bind","source":"/srv/hosts"})",
             "mounts.engine-file", kTighten},
        Case{kJob, "/mounts/9",
             R"({"destination":"/etc/hosts","type":"bind","source":"/srv/other"})", "mounts.rule"},
        Case{kJob, "/mounts/6", R"({"destination":"/dev/shm","type":"bind","source":"/srv/shm"})",
             "mounts.shm", kTighten},
        Case{kJob, "/mounts/9", R"({"destination":"/data/x","type":"tmpfs"})", "dataset.covered"},
        Case{kJob, "/mounts/9", R"({"destination":"/run/casemate/job.json","type":"bind",
             "source":"/srv/job.json"})",
             "mounts.job-file", kTighten}));

INSTANTIATE_TEST_SUITE_P(
    Devices, DecideCase,
    testing::Values(
        Case{kPlain, "/linux/devices", R"([{"path":"/dev/sda","type":"b","major":8,"minor":0}])",
             "devices.node"},
        Case{kPlain, "/linux/devices", R"([{"path":"/dev/nvidia1","type":"c","major":195,
             "minor":1}])",
             "devices.node"},
        Case{kPlain, "/linux/devices", R"([{"path":"/dev/null","type":"c","major":1,"minor":3}])",
             ""},
        Case{kPlain, "/linux/devices", R"([{"path":"/dev/c","type":"c","major":5,"minor":1}])",
             "devices.node"},
        Case{kPlain, "/linux/resources/devices/1",
             R"({"allow":true,"type":"c","major":5,"minor":1,"access":"rwm"})", "devices.console",
             kTighten},
        Case{kPlain, "/linux/devices", R"([{"path":"/srv/fifo","type":"p"}])", ""},
        Case{kJob, "/linux/devices", R"([{"path":"/srv/fifo","type":"p"}])", "devices.node"},
        Case{kJob, "/linux/devices", R"([{"path":"/etc/x","type":"c","major":1,"minor":3}])",
             "devices.node"},
        Case{kJob, "/linux/devices", R"([{"path":"/dev/x","type":"c","major":1,"minor":3}])", ""},
        Case{kPlain, "/linux/devices", R"([{"path":"/dev/null","type":"b","major":1,"minor":3}])",
             "devices.node"},
        Case{kPlain, "/linux/resources/devices/1", R"({"allow":true})", "devices.wildcard"},
        Case{kPlain, "/linux/resources/devices/1", R"({"allow":true,"type":"c","major":195})",
             "devices.wildcard"},
        Case{kPlain, "/linux/resources/devices/1",
             R"({"allow":true,"type":"c","major":-1,"minor":-1,"access":"rw"})",
             "devices.wildcard"},
        Case{kPlain, "/linux/resources/devices/1", R"({"allow":true,"type":"c","access":"m"})",
             "devices.mknod", kTighten},
        Case{kPlain, "/linux/resources/devices/1",
             R"({"allow":true,"type":"c","major":195,"minor":0})", "devices.rule"},
        Case{kPlain, "/linux/resources/devices/1", R"({"allow":true,"type":"c","major":136})", ""},
        Case{kPlain, "/linux/resources/devices", "[]", "devices.default-deny", kTighten}));

INSTANTIATE_TEST_SUITE_P(
    Resources, DecideCase,
    testing::Values(
        Case{kPlain, "/linux/sysctl", R"({"kernel.core_pattern":"|/x"})", "sysctls.host"},
        Case{kPlain, "/linux/sysctl", R"({"kernel.shm_rmid_forced":"1+kernel.core_pattern=|/x"})",
             "sysctls.allowed"},
        Case{kPlain, "/linux/sysctl", R"({"net.ipv4.ping_group_range":"0+1"})", "sysctls.value"},
        Case{kPlain, "/linux/sysctl", R"({"net/ipv4/ping_group_range":"0 1"})", ""},
        Case{kPlain, "/linux/sysctl", R"({"net.ipv4.ping_group_rang":"0"})", "sysctls.allowed"},
        Case{kPlain, "/linux/resources/memory", R"({"disableOOMKiller":true})",
             "resources.oom-killer", kTighten},
        Case{kJob, "/linux/resources/pids", R"({"limit":0})", "resources.pids", kTighten},
        Case{kJob, "/linux/resources/pids", R"({"limit":4097})", "resources.pids", kTighten},
        Case{kPlain, "/linux/resources/cpu", R"({"realtimeRuntime":1})", "resources.realtime"},
        Case{kPlain, "/linux/resources/unified", R"({"memory.high":"1"})", ""},
        Case{kPlain, "/linux/resources/unified", R"({"cgroup.procs":"1"})", "resources.unified"},
        Case{kPlain, "/linux/maskedPaths", "[]", "paths.masked", kTighten},
        Case{kPlain, "/linux/readonlyPaths", "[]", "paths.readonly", kTighten}));

INSTANTIATE_TEST_SUITE_P(
    Hooks, DecideCase,
    testing::Values(Case{kPlain, "/hooks/prestart/0/path", R"("/bin/evil")", "hooks.not-listed"},
                    Case{kPlain, "/hooks/prestart/0/path", R"("/usr/sbin/dockerd")", ""},
                    Case{kPlain, "/hooks/prestart/0/path", R"("/proc/1/exe")", "hooks.not-listed"},
                    Case{kPlain, "/hooks/prestart/0/env", R"(["LD_PRELOAD=/x"])", "hooks.env"},
                    Case{kPlain, "/hooks/prestart/0/env", R"(["PATH=/bin"])", ""},
                    Case{kPlain, "/hooks/startContainer", R"([{"path":"/usr/sbin/dockerd"}])",
                         "hooks.start-container"},
                    Case{kPlain, "/hooks/poststop", R"([{"path":"/bin/x"}])", "hooks.not-listed"}));

TEST(Decide, AllowedRequestsPass) {
  for (const char* name : {"docker20-default", "docker20-tty-limits", "ctr16-default",
                           "ctr16-tty-limits", "podman43-default"}) {
    const auto decision = decide(spec_of(sample_json(name)), profile_of(profile_json("baseline")),
                                 good_host(), host_context());
    EXPECT_FALSE(decision.denied) << name << "\n" << explain_text(decision);
  }
  const auto job = decide(spec_of(job_config()), profile_of(profile_json("restricted")),
                          good_host(), job_context());
  EXPECT_FALSE(job.denied) << explain_text(job);
  EXPECT_TRUE(job.spec.process->no_new_privileges);
  EXPECT_TRUE(job.spec.process->capabilities->bounding.empty());
}

TEST(Decide, PrivilegedNamesItself) {
  const auto decision = decide(spec_of(sample_json("docker20-privileged")),
                               profile_of(profile_json("baseline")), good_host(), host_context());
  ASSERT_TRUE(decision.denied);
  EXPECT_EQ(refusal(decision).rule, "privileged.request");
  EXPECT_LT(decision.findings.size(), 20U);
  for (const char* rule : {"capabilities.refused", "devices.wildcard", "devices.node"})
    EXPECT_NE(find_rule(decision, rule), nullptr) << rule;
}

TEST(Decide, ComplainPassesAndTaints) {
  const auto lab = profile_of(profile_json("lab"));
  const auto decision =
      decide(spec_of(sample_json("docker20-privileged")), lab, good_host(), host_context());
  EXPECT_FALSE(decision.denied);
  EXPECT_TRUE(decision.tainted);
  EXPECT_NE(find_rule(decision, "privileged.request"), nullptr);
  const auto clean =
      decide(spec_of(sample_json("ctr16-default")), lab, good_host(), host_context());
  EXPECT_TRUE(clean.tainted);  // it asks for CAP_MKNOD, which the lab's ceiling lacks
}

TEST(Decide, BoundedCapabilitiesStayWithinTheCeiling) {
  const auto profile = profile_of(profile_json("baseline"));
  const auto decision =
      decide(spec_of(sample_json("docker20-default")), profile, good_host(), host_context());
  for (const auto& name : decision.spec.process->capabilities->bounding)
    EXPECT_NE(std::ranges::find(profile.capabilities.ceiling, name),
              profile.capabilities.ceiling.end());
  EXPECT_EQ(decision.unsafe.size(), 1U);
  ASSERT_TRUE(decision.seccomp);
}

}  // namespace
}  // namespace casemate::policy
