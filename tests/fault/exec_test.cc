// Every kernel call of exec fails once, and claims success and does nothing once. An exec that
// fails leaves no process in the container; one that succeeds all the same must hold under a second
// look.
#include "shim/run/exec.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "shim/run/create.h"
#include "shim/run/lifecycle.h"
#include "shim/sys/real_kernel.h"
#include "tests/fault/faults.h"

namespace casemate {
namespace {

namespace files = std::filesystem;

constexpr const char* kId = "fault-exec";
constexpr unsigned kPatienceSeconds = 60;

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

void write_file(const files::path& path, const std::string& text) {
  std::ofstream(path) << text;
}

std::string file_of(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

class ExecFaults : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/casemate-fault-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    home_ = name;
    for (const char* folder : {"bundle/rootfs/bin", "bundle/rootfs/work"})
      files::create_directories(home_ / folder);
    files::copy_file("/bin/busybox", home_ / "bundle/rootfs/bin/sleep");
    write_file(home_ / "bundle/config.json", kConfig);
    write_file(home_ / "casemate.json",
               R"({"version":1,"paths":{"profiles":[")" CASEMATE_SOURCE_DIR
               R"(/profiles"],"state":")" +
                   (home_ / "state").string() + R"(","data":")" + (home_ / "data").string() +
                   R"("},"rules":[{"job":false,"profile":"baseline"},{"deny":true}]})");
    ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
    void* shared =
        ::mmap(nullptr, sizeof(Calls), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(shared, MAP_FAILED);
    calls_ = static_cast<Calls*>(shared);
    start_container();
  }

  void TearDown() override {
    sys::RealKernel kernel;
    auto runtime = this->runtime(kernel);
    ASSERT_TRUE(runtime);
    EXPECT_TRUE(run::remove(*runtime, kId, /*force=*/true));
    while (::waitpid(-1, nullptr, 0) > 0) {
    }
    files::remove_all(home_);
    ::munmap(calls_, sizeof(Calls));
  }

  Result<run::Runtime> runtime(sys::Kernel& kernel) const {
    run::Settings settings;
    settings.config = home_ / "casemate.json";
    settings.root = home_ / "root";
    settings.programs = CASEMATE_BINARY_DIR "/bin";
    settings.init_deadline = std::chrono::milliseconds(1000);
    return run::make_runtime(kernel, settings);
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

  Status exec(sys::Kernel& kernel) const {
    auto runtime = TRY(this->runtime(kernel));
    run::ExecRequest request;
    request.id = kId;
    request.args = {"sleep", "601"};
    request.pid_file = home_ / "pid";
    auto running = TRY(run::prepare_exec(runtime, request));
    return run::start_exec(runtime, request, running);
  }

  // One exec in a process of its own. True: it succeeded.
  bool attempt(FaultyKernelOfTwo::Fault fault) const {
    files::remove(home_ / "pid");
    const pid_t child = ::fork();
    if (child == 0) {
      ::alarm(kPatienceSeconds);
      sys::RealKernel real;
      FaultyKernelOfTwo kernel(real, *calls_, fault);
      const Status done = exec(kernel);
      if (!done) write_file(home_ / "error", done.error().message());
      ::_exit(done ? 0 : 1);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_TRUE(WIFEXITED(status)) << "exec was killed";
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }

  // "" when init alone is left in the container.
  std::string residue() const {
    for (int patience = 0; patience < 300; ++patience) {
      if (others().empty()) return {};
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return "processes are left: " + others();
  }

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

  std::string second_look() const;
  void for_each_call_of(Who who, sys::InterceptingKernel::Verdict verdict) const;

  Calls* calls_ = nullptr;
  files::path home_;
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

void ExecFaults::for_each_call_of(Who who, sys::InterceptingKernel::Verdict verdict) const {
  const auto end_it = [&] {
    if (const int pid = std::stoi("0" + file_of(home_ / "pid")); pid > 1) ::kill(pid, SIGKILL);
  };
  ASSERT_TRUE(attempt({})) << file_of(home_ / "error");
  ASSERT_EQ(second_look(), "");
  end_it();
  ASSERT_EQ(residue(), "");
  const auto calls = std::make_unique<Calls>(*calls_);
  ASSERT_GT(calls->of[who].made, 30U);
  ASSERT_LT(calls->of[who].made, Calls::kMost);
  for (std::size_t n = 1; n <= calls->of[who].made; ++n) {
    SCOPED_TRACE(calls->of[who].names[n]);
    if (attempt({who, n, verdict})) {
      EXPECT_EQ(second_look(), "") << "the fault was ignored";
      if (files::exists(home_ / "pid")) end_it();
    }
    ASSERT_EQ(residue(), "") << file_of(home_ / "error");
  }
}

TEST_F(ExecFaults, AFailedCallLeavesNoProcess) {
  for (const Who who : {parent, init})
    for_each_call_of(who, {.kind = sys::InterceptingKernel::Verdict::fail, .error = EIO});
}

TEST_F(ExecFaults, ACallThatLiesIsNoticed) {
  for (const Who who : {parent, init})
    for_each_call_of(who, {.kind = sys::InterceptingKernel::Verdict::pretend});
}

}  // namespace
}  // namespace casemate
