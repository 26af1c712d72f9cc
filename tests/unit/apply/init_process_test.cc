// Steps of init that concern the process, and all steps together.
#include "tests/unit/apply/init_steps.h"

namespace casemate::apply {
namespace {

// --- working directory and program

TEST_F(InitSteps, TheWorkingDirectoryIsInside) {
  scratch.directory("root/proc");
  scratch.link("/../../..", "root/up");
  scratch.link(scratch / "outside", "root/escape");
  run([&](Container& c) {
    const auto here = [] { return std::filesystem::current_path().string(); };
    c.ok("made", c.add(plan::SetWorkingDirectory{"/a/b"}));
    c.equal("made", here(), std::filesystem::canonical(scratch / "root/a/b").string());
    c.ok("up", c.add(plan::SetWorkingDirectory{"/up"}));
    c.equal("up", here(), std::filesystem::canonical(scratch / "root").string());
    c.equal("escape", c.add(plan::SetWorkingDirectory{"/escape"}), "fs.dangling");
    c.ok("proc", c.add(filesystem("proc", "/proc")));
    // CVE-2024-21626: a descriptor that leaked leads to the host.
    const UniqueFd leak(::open("/", O_PATH));
    const std::string magic = "/proc/self/fd/" + std::to_string(leak.get());
    c.equal("magic", c.add(plan::SetWorkingDirectory{magic}), "fs.link");
    c.equal("below", c.add(plan::SetWorkingDirectory{magic + "/etc"}), "fs.link");
    c.equal("cwd", c.add(plan::SetWorkingDirectory{"/proc/self/cwd"}), "fs.link");
    const plan::SetWorkingDirectory absent{"/a/c", /*make=*/false};
    c.equal("absent", c.add(absent), "process.cwd-absent");
    c.equal("not made", std::filesystem::exists(scratch / "root/a/c"), false);
    c.equal("magic, as it is", c.add(plan::SetWorkingDirectory{magic, false}), "fs.link");
    c.equal("stays", here(), std::filesystem::canonical(scratch / "root").string());
  });
}

TEST_F(InitSteps, ProgramsAreLookedUp) {
  scratch.directory("root/one/tool");  // a directory of that name is no program
  scratch.directory("root/two");
  scratch.directory("root/three");
  scratch.write("root/two/tool", "");
  scratch.write("root/three/tool", "");
  ::chmod((scratch / "root/two/tool").c_str(), 0644);
  ::chmod((scratch / "root/three/tool").c_str(), 0755);
  run([&](Container& c) {
    const std::string all =
        scratch / "root/one" + ":" + (scratch / "root/two") + ":" + (scratch / "root/three");
    c.ok("found", c.add(plan::ResolveProgram{"tool", all}));
    c.equal("found", c.context.executable, scratch / "root/three/tool");
    c.equal("absent", c.add(plan::ResolveProgram{"absent", all}), "process.not-found");
    c.equal("no path", c.add(plan::ResolveProgram{"tool", ""}), "process.not-found");
    c.equal("by path", c.add(plan::ResolveProgram{scratch / "root/absent", all}),
            "process.not-found");
    c.ok("by path", c.add(plan::ResolveProgram{scratch / "root/two/tool", all}));
    c.plan.steps.emplace_back(plan::Execute{{"tool"}, {}});
    c.equal("not executable", execute(c.context).rule, "process.permission");
  });
}

TEST_F(InitSteps, HostNamesAreReadBack) {
  run(
      [](Container& c) {
        c.context.proc = std::move(fs::ProcFs::open(c.kernel).value());
        c.ok("set", c.add(plan::SetHostname{"box", "example"}));
        char name[65] = {};
        c.equal("gethostname", ::gethostname(name, sizeof name), 0);
        c.equal("name", std::string(name), "box");
        c.kernel.pretend_every("sethostname");
        c.equal("pretended", c.add(plan::SetHostname{"other", ""}), "readback.sysctl");
        c.kernel.pretend_every("setdomainname");
        c.equal("pretended", c.add(plan::SetHostname{"", "other"}), "readback.sysctl");
      },
      CLONE_NEWUTS);
}

TEST_F(InitSteps, SysctlsAreReadBack) {
  run(
      [](Container& c) {
        c.context.proc = std::move(fs::ProcFs::open(c.kernel).value());
        c.ok("dots", c.add(plan::WriteSysctl{"kernel.domainname", "one"}));
        c.ok("slashes", c.add(plan::WriteSysctl{"kernel/domainname", "two"}));
        c.equal("value", c.context.proc->read("sys/kernel/domainname").value(), "two\n");
        c.equal("absent", c.add(plan::WriteSysctl{"kernel.beer", "1"}), "system.call");
        c.kernel.pretend_every("write");
        c.equal("pretended", c.add(plan::WriteSysctl{"kernel.domainname", "three"}),
                "readback.sysctl");
      },
      CLONE_NEWUTS);
}

TEST_F(InitSteps, LimitsOfTheProcess) {
  run([](Container& c) {
    c.context.proc = std::move(fs::ProcFs::open(c.kernel).value());
    c.ok("oom", c.add(plan::SetOomScore{321}));
    c.equal("oom", c.context.proc->read("self/oom_score_adj").value(), "321\n");
    c.ok("rlimit", c.add(plan::SetRlimit{{"RLIMIT_NOFILE", 55, 44}}));
    const auto limits = parse_limits(c.context.proc->read("self/limits").value()).value();
    c.equal("soft", limits.at("RLIMIT_NOFILE").soft, 44u);
    c.equal("hard", limits.at("RLIMIT_NOFILE").hard, 55u);
    c.equal("unknown", c.add(plan::SetRlimit{{"RLIMIT_BEER", 1, 1}}), "oci.rlimit");
    c.equal("soft above hard", c.add(plan::SetRlimit{{"RLIMIT_NOFILE", 1, 2}}), "system.call");
  });
}

TEST_F(InitSteps, WithoutCoreFilesADumpIsEmptyToo) {
  run([](Container& c) {
    c.context.proc = std::move(fs::ProcFs::open(c.kernel).value());
    c.ok("some", c.add(plan::SetRlimit{{"RLIMIT_CORE", 5, 0}}));
    c.expect("still", c.context.proc->read("self/coredump_filter").value() != "00000000\n");
    c.ok("none", c.add(plan::SetRlimit{{"RLIMIT_CORE", 0, 0}}));
    c.equal("filter", c.context.proc->read("self/coredump_filter").value(), "00000000\n");
  });
}

plan::Observed identity_of(const Container& c, const ProcStatus& now) {
  return {.uids = now.uids,
          .gids = now.gids,
          .groups = now.groups,
          .cap_inheritable = now.cap_inheritable,
          .cap_permitted = now.cap_permitted,
          .cap_effective = now.cap_effective,
          .cap_bounding = now.cap_bounding,
          .cap_ambient = now.cap_ambient,
          .machine_capabilities = c.context.before.cap_permitted,
          .no_new_privileges = now.no_new_privileges,
          .umask = now.umask,
          .session_leader = true};
}

// A user, its capabilities and nothing else; then what /proc shows is what was planned.
TEST_F(InitSteps, IdentityAndCapabilities) {
  run([](Container& c) {
    c.context.proc = std::move(fs::ProcFs::open(c.kernel).value());
    oci::User user{.uid = 1000, .gid = 100, .umask = 027};
    user.additional_gids = {7, 5};
    const std::uint64_t kill = std::uint64_t{1} << CAP_KILL;
    c.ok("no_new_privs", c.add(plan::NoNewPrivileges{}));
    c.ok("user", c.add(plan::SetCredentials{user}));
    c.equal("umask", ::umask(027), mode_t{027});
    c.ok("capabilities", c.add(plan::SetCapabilities{.bounding = kill | 1,
                                                     .effective = kill,
                                                     .inheritable = kill,
                                                     .permitted = kill | 1,
                                                     .ambient = kill}));
    const auto text = fs::ProcFs::open(c.kernel);
    const ProcStatus now = read_status(text ? *text : *c.context.proc, "self").value();
    c.ok("read back", rule_of(plan::check(c.plan, identity_of(c, now))));
  });
}

// Each call of these steps that lies is found by the read-back.
TEST_F(InitSteps, PretendedIdentityIsReadBack) {
  const std::pair<const char*, const char*> lies[] = {
      {"setresuid", "readback.credentials"},   {"setresgid", "readback.credentials"},
      {"setgroups", "readback.credentials"},   {"umask", "readback.credentials"},
      {"prctl", "readback.no-new-privileges"}, {"capset", "readback.capabilities"}};
  for (const auto& [call, rule] : lies)
    run([&](Container& c) {
      c.context.proc = std::move(fs::ProcFs::open(c.kernel).value());
      c.kernel.pretend_every(call);
      oci::User user{.uid = 0, .gid = 100};
      user.uid = std::string_view(call) == "setresuid" ? 1000 : 0;
      user.additional_gids = {7};
      c.add(plan::NoNewPrivileges{});
      c.add(plan::SetCredentials{user});
      c.add(plan::SetCapabilities{});
      const ProcStatus now = read_status(*fs::ProcFs::open(c.real), "self").value();
      c.equal(call, rule_of(plan::check(c.plan, identity_of(c, now))), rule);
    });
}

// A step of the parent among init's is an error of ours and not silence.
TEST_F(InitSteps, TheWholePlanRunsInOrder) {
  scratch.write("root/mine", "");
  scratch.directory("root/bin");
  scratch.write("root/bin/tool", "");
  ::chmod((scratch / "root/bin/tool").c_str(), 0755);
  run([&](Container& c) {
    const UniqueFd source = scratch.open_root();
    c.context.root.reset();
    c.prepared.root = std::move(c.kernel.open_tree(source.get(), "", kClone).value());
    c.plan.steps = {plan::AttachRoot{.source = scratch / "root", .propagation = MS_PRIVATE},
                    filesystem("proc", "/proc"),
                    null_device(),
                    plan::PivotRoot{},
                    MaskPath{"/mine"},
                    plan::RootReadonly{},
                    plan::SetWorkingDirectory{"/bin"},
                    plan::SetCredentials{{.uid = 1000, .gid = 1000}},
                    plan::ResolveProgram{"tool", "/bin"},
                    plan::SetCapabilities{},
                    plan::Execute{{"tool"}, {}}};
    c.ok("build", rule_of(build_container(c.context)));
    c.equal("program", c.context.executable, "/bin/tool");
    c.equal("uid", ::geteuid(), 1000u);
    const auto held = [&] {
      return parse_status(
                 (std::ostringstream() << std::ifstream("/proc/self/status").rdbuf()).str())
          ->cap_permitted;
    };
    c.expect("capabilities stay until the end", held() != 0);
    c.ok("confine", rule_of(confine_init(c.context)));
    c.equal("capabilities", held(), 0u);
  });
}

TEST_F(InitSteps, AFailedStepIsNamed) {
  scratch.directory("root/dev");
  scratch.write("root/dev/null", "");
  run([](Container& c) {
    c.plan.steps = {null_device()};
    const Status failed = build_container(c.context);
    c.equal("rule", rule_of(failed), "device.occupied");
    c.expect("step", !failed && failed.error().what.starts_with("device: "));
  });
}

}  // namespace
}  // namespace casemate::apply
