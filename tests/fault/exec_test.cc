// Every kernel call of exec fails once, and claims success and does nothing once. An exec that
// fails leaves no process in the container; one that succeeds all the same must hold under a second
// look.
#include "shim/run/exec.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "shim/run/create.h"
#include "shim/run/lifecycle.h"
#include "shim/sys/real_kernel.h"
#include "tests/fault/fixture.h"

namespace casemate {
namespace {

namespace files = std::filesystem;

constexpr const char* kId = "fault-exec";

constexpr const char* kConfig = R"({
  "ociVersion": "1.2.0",
  "process": {"user": {"uid": 1000, "gid": 1000, "additionalGids": [5]},
    "args": ["/bin/sleep", "600"], "env": ["PATH=/bin"], "cwd": "/work", "noNewPrivileges": true,
    "oomScoreAdj": 100, "scheduler": {"policy": "SCHED_BATCH", "nice": 5},
    "ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 6},
    "execCPUAffinity": {"initial": "0", "final": "0"},
    "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 512, "soft": 256}],
    "capabilities": {"bounding": ["CAP_KILL"], "effective": ["CAP_KILL"], "permitted": ["CAP_KILL"]}},
  "root": {"path": "rootfs", "readonly": true},
  "mounts": [
    {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
    {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]}],
  "linux": {
    "personality": {"domain": "LINUX32"}, "memoryPolicy": {"mode": "MPOL_BIND", "nodes": "0"},
    "namespaces": [{"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"},
      {"type": "mount"}, {"type": "cgroup"}]}
})";

class ExecFaults : public Faults {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(make_home(kConfig, "sleep"));
    start_container();
  }

  void TearDown() override {
    sys::RealKernel kernel;
    auto runtime = this->runtime(kernel);
    ASSERT_TRUE(runtime);
    EXPECT_TRUE(run::remove(*runtime, kId, /*force=*/true));
    while (::waitpid(-1, nullptr, 0) > 0) {
    }
    Faults::TearDown();
  }

  void start_container() {
    sys::RealKernel kernel;
    auto runtime = this->runtime(kernel);
    ASSERT_TRUE(runtime);
    auto created = run::create(*runtime, {.id = kId, .bundle = home_ / "bundle"});
    ASSERT_TRUE(created) << created.error().message();
    ASSERT_TRUE(run::start(*runtime, created->directory, created->warden));
    init_ = created->pid;
  }

  Status command(sys::Kernel& kernel) const override {
    auto runtime = TRY(this->runtime(kernel));
    run::ExecRequest request;
    request.id = kId;
    request.args = {"sleep", "601"};
    request.pid_file = home_ / "pid";
    auto running = TRY(run::prepare_exec(runtime, request));
    return run::start_exec(runtime, request, running);
  }

  std::string second_look() const override;

  void end_made() const override {
    if (const int pid = std::stoi("0" + file_of(home_ / "pid")); pid > 1) ::kill(pid, SIGKILL);
  }

  // "" when init alone is left in the container.
  std::string residue() const override {
    for (int patience = 0; patience < 300; ++patience) {
      if (others().empty()) return {};
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return "processes are left: " + others();
  }

 private:
  // The processes of the container's pid namespace but init; zombies are waited for.
  std::string others() const {
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    const auto space = [](const std::string& pid) {
      std::error_code error;
      return files::read_symlink("/proc/" + pid + "/ns/pid", error).string();
    };
    const std::string own = space(std::to_string(init_));
    std::string found;
    for (const auto& entry : files::directory_iterator("/proc")) {
      const std::string pid = entry.path().filename();
      if (pid != std::to_string(init_) && !own.empty() && space(pid) == own) found += pid + " ";
    }
    return found;
  }

  pid_t init_ = -1;
};

std::string ExecFaults::second_look() const {
  const std::string pid = file_of(home_ / "pid");
  if (pid.empty()) return "no pid file";
  const std::string proc = "/proc/" + pid + "/", init = "/proc/" + std::to_string(init_) + "/";
  const std::string text = file_of(proc + "status");
  if (text.find("\nState:\tZ") != std::string::npos) return {};  // nothing will ever run in it
  for (const char* wanted :
       {"\nUid:\t1000\t1000\t1000\t1000\n", "\nGid:\t1000\t1000\t1000\t1000\n", "\nGroups:\t5 \n",
        "\nCapBnd:\t0000000000000020\n", "\nCapInh:\t0000000000000000\n", "\nNoNewPrivs:\t1\n",
        "\nSeccomp:\t2\n", "\nUmask:\t0022\n"})
    if (text.find(wanted) == std::string::npos) return "not in status: " + std::string(wanted);
  for (const char* space : {"pid", "net", "ipc", "uts", "mnt", "cgroup", "user", "time"})
    if (files::read_symlink(proc + "ns/" + space) != files::read_symlink(init + "ns/" + space))
      return std::string("another namespace: ") + space;
  if (file_of(proc + "cgroup") != file_of(init + "cgroup")) return "another control group";
  if (file_of(proc + "limits") != file_of(init + "limits")) return "other limits";
  if (file_of(proc + "oom_score_adj") != "100\n") return "oom_score_adj";
  if (files::read_symlink(proc + "cwd") != "/work") return "working directory";
  if (const std::string wrong = look_at_scheduling(std::stoi(pid)); !wrong.empty()) return wrong;
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  if (::sched_getaffinity(std::stoi(pid), sizeof cpus, &cpus) != 0 || CPU_COUNT(&cpus) != 1 ||
      !CPU_ISSET(0, &cpus))
    return "processors";
  if (::getsid(std::stoi(pid)) != std::stoi(pid)) return "no session of its own";
  for (const auto& entry : files::directory_iterator(proc + "fd"))
    if (std::stoi(entry.path().filename()) > 2) return "a descriptor: " + entry.path().string();
  return {};
}

TEST_F(ExecFaults, AFailedCallLeavesNoProcess) {
  for_each_call({.kind = sys::InterceptingKernel::Verdict::fail, .error = EIO}, 30);
}

TEST_F(ExecFaults, ACallThatLiesIsNoticed) {
  for_each_call({.kind = sys::InterceptingKernel::Verdict::pretend}, 30);
}

}  // namespace
}  // namespace casemate
