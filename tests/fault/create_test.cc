// Every kernel call of create fails once, and claims success and does nothing once. A create that
// fails leaves nothing behind; one that succeeds all the same must hold under a second look: what
// was planned is what the kernel shows.
#include "shim/run/create.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "shim/run/lifecycle.h"
#include "shim/sys/real_kernel.h"
#include "tests/fault/faults.h"

namespace casemate {
namespace {

namespace files = std::filesystem;

constexpr const char* kId = "fault";
constexpr unsigned kPatienceSeconds = 60;

constexpr const char* kConfig = R"({
  "ociVersion": "1.2.0",
  "process": {"user": {"uid": 1000, "gid": 1000, "additionalGids": [5]}, "args": ["/bin/true"],
    "env": ["PATH=/bin"], "cwd": "/work", "noNewPrivileges": true, "oomScoreAdj": 100,
    "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 512, "soft": 256}],
    "capabilities": {"bounding": ["CAP_KILL"], "effective": ["CAP_KILL"], "permitted": ["CAP_KILL"]}},
  "root": {"path": "rootfs", "readonly": true},
  "hostname": "fault",
  "mounts": [
    {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
    {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
    {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro", "nosuid", "noexec", "nodev"]},
    {"destination": "/copied", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup", "mode=700"]},
    {"destination": "/mapped", "type": "bind", "source": "shared", "options": ["bind", "idmap"],
     "uidMappings": [{"containerID": 0, "hostID": 1000, "size": 1}],
     "gidMappings": [{"containerID": 0, "hostID": 1000, "size": 1}]},
    {"destination": "/shared", "type": "bind", "source": "shared", "options": ["bind", "ro"]}],
  "linux": {
    "sysctl": {"net.ipv4.ip_unprivileged_port_start": "0"},
    "resources": {"pids": {"limit": 64}, "memory": {"limit": 67108864}},
    "namespaces": [{"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"}],
    "maskedPaths": ["/proc/kcore", "/proc/keys", "/sys/firmware"],
    "readonlyPaths": ["/proc/sys", "/proc/bus"]}
})";

void write_file(const files::path& path, const std::string& text) {
  std::ofstream(path) << text;
}

std::set<std::string> cgroups() {
  std::set<std::string> found;
  for (const auto& hierarchy : files::directory_iterator("/sys/fs/cgroup"))
    for (const auto& group : files::directory_iterator(hierarchy.path()))
      if (group.path().filename().string().starts_with("casemate-") &&
          group.path().filename() != "casemate-wardens")
        found.insert(group.path());
  return found;
}

// The path of a cgroup v1 hierarchy in /proc/PID/cgroup.
std::string cgroup_of(const std::string& text, const std::string& controller) {
  const std::size_t at = text.find(":" + controller + ":");
  if (at == std::string::npos) return "?";
  const std::size_t begin = at + controller.size() + 2;
  return text.substr(begin, text.find('\n', begin) - begin);
}

std::string mountinfo() {
  std::ifstream file("/proc/self/mountinfo");
  return {std::istreambuf_iterator<char>(file), {}};
}

class CreateFaults : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/casemate-fault-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    home_ = name;
    for (const char* folder :
         {"bundle/rootfs/bin", "bundle/rootfs/work", "bundle/rootfs/copied", "bundle/shared"})
      files::create_directories(home_ / folder);
    write_file(home_ / "bundle/rootfs/copied/file", "copied");
    files::copy_file("/bin/busybox", home_ / "bundle/rootfs/bin/true");
    write_file(home_ / "bundle/config.json", kConfig);
    write_file(home_ / "casemate.json",
               R"({"version":1,"paths":{"profiles":[")" CASEMATE_SOURCE_DIR
               R"(/profiles"],"state":")" +
                   (home_ / "state").string() + R"(","data":")" + (home_ / "data").string() +
                   R"("},"rules":[{"job":false,"profile":"baseline"},{"deny":true}]})");
    // Whoever is left behind becomes a child of this process and is found.
    ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
    void* shared =
        ::mmap(nullptr, sizeof(Calls), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(shared, MAP_FAILED);
    calls_ = static_cast<Calls*>(shared);
    cgroups_ = cgroups();
    mounts_ = mountinfo();
  }
  void TearDown() override {
    files::remove_all(home_);
    ::munmap(calls_, sizeof(Calls));
  }

  Result<run::Runtime> runtime(sys::Kernel& kernel) const {
    run::Settings settings;
    settings.config = home_ / "casemate.json";
    settings.root = home_ / "root";
    settings.programs = CASEMATE_BINARY_DIR "/bin";
    settings.init_deadline = std::chrono::milliseconds(1000);
    settings.warden_deadline = std::chrono::milliseconds(1000);
    return run::make_runtime(kernel, settings);
  }

  Status create(sys::Kernel& kernel) const {
    auto runtime = TRY(this->runtime(kernel));
    TRY(run::create(runtime, {.id = kId, .bundle = home_ / "bundle", .pid_file = home_ / "pid"}));
    return {};
  }

  // What stands, as the container sees itself, with the real kernel: "" when it is as planned.
  std::string second_look() const;

  void remove_container() const {
    sys::RealKernel kernel;
    auto runtime = this->runtime(kernel);
    ASSERT_TRUE(runtime);
    const Status removed = run::remove(*runtime, kId, /*force=*/true);
    EXPECT_TRUE(removed) << removed.error().message();
  }

  // "" when a failed create left nothing; waits a moment for those who are on their way out.
  std::string residue() const {
    pid_t left = 0;
    for (int patience = 0; patience < 300; ++patience) {
      do left = ::waitpid(-1, nullptr, WNOHANG);
      while (left > 0);
      if (left < 0) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    if (left == 0) return "a process is left";
    if (cgroups() != cgroups_) return "a cgroup is left";
    if (mountinfo() != mounts_) return "a mount is left";
    if (files::exists(home_ / "pid")) return "the pid file is left";
    if (files::exists(home_ / "state"))
      for (const auto& entry : files::recursive_directory_iterator(home_ / "state"))
        if (entry.path().filename() == kId) return "the container's directory is left";
    return {};
  }

  // One create in a process of its own (a fault must not reach the next one), which is killed when
  // it waits for something that never comes. True: it succeeded.
  bool attempt(FaultyKernelOfTwo::Fault fault) const {
    const pid_t child = ::fork();
    if (child == 0) {
      ::alarm(kPatienceSeconds);
      sys::RealKernel real;
      FaultyKernelOfTwo kernel(real, *calls_, fault);
      const Status done = create(kernel);
      if (!done) write_file(home_ / "error", done.error().message());
      ::_exit(done ? 0 : 1);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_TRUE(WIFEXITED(status)) << "create was killed";
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }

  std::string last_error() const {
    std::ifstream file(home_ / "error");
    return {std::istreambuf_iterator<char>(file), {}};
  }

  void end_container() const {
    remove_container();
    files::remove(home_ / "pid");
    ASSERT_EQ(residue(), "");
  }

  void for_each_call(sys::InterceptingKernel::Verdict verdict) const;
  void for_each_call_of(Who who, sys::InterceptingKernel::Verdict verdict) const;

  Calls* calls_ = nullptr;
  files::path home_;
  std::set<std::string> cgroups_;
  std::string mounts_;
};

std::string CreateFaults::second_look() const {
  std::ifstream pid_file(home_ / "pid");
  std::string pid;
  pid_file >> pid;
  if (pid.empty()) return "no pid file";
  std::ifstream status("/proc/" + pid + "/status");
  const std::string text{std::istreambuf_iterator<char>(status), {}};
  if (text.find("\nState:\tZ") != std::string::npos) return {};  // nothing will ever run in it
  for (const char* wanted :
       {"\nUid:\t1000\t1000\t1000\t1000\n", "\nGid:\t1000\t1000\t1000\t1000\n", "\nGroups:\t5 \n",
        "\nCapEff:\t0000000000000020\n", "\nCapBnd:\t0000000000000020\n",
        "\nCapInh:\t0000000000000000\n", "\nNoNewPrivs:\t1\n", "\nSeccomp:\t2\n"})
    if (text.find(wanted) == std::string::npos) return "not in status: " + std::string(wanted);
  std::ifstream mounts("/proc/" + pid + "/mountinfo");
  const std::string table{std::istreambuf_iterator<char>(mounts), {}};
  for (const char* wanted : {" / ro", " /proc ", " /dev ", " /sys ro", " /shared ro",
                             " /proc/keys ", " /sys/firmware ro", " /proc/sys ro"})
    if (table.find(wanted) == std::string::npos) return "not mounted: " + std::string(wanted);
  const auto file_of = [&](const std::string& path) {
    std::ifstream file(path);
    return std::string{std::istreambuf_iterator<char>(file), {}};
  };
  const std::string proc = "/proc/" + pid + "/";
  if (file_of(proc + "root/copied/file") != "copied") return "tmpcopyup";
  struct stat mapped{};
  if (::stat((proc + "root/mapped").c_str(), &mapped) != 0 || mapped.st_uid != 1000)
    return "the idmapped mount";
  const std::string limits = file_of(proc + "limits");
  if (limits.find("Max open files            256                  512") == std::string::npos)
    return "RLIMIT_NOFILE";
  if (file_of(proc + "oom_score_adj") != "100\n") return "oom_score_adj";
  if (text.find("\nUmask:\t0022\n") == std::string::npos) return "umask";
  struct stat owner{};
  if (::stat((proc + "maps").c_str(), &owner) != 0 || owner.st_uid != 0) return "dumpable";
  if (::getsid(std::stoi(pid)) != std::stoi(pid)) return "no session of its own";
  const std::string group = cgroup_of(file_of(proc + "cgroup"), "pids");
  if (file_of("/sys/fs/cgroup/pids" + group + "/pids.max") != "64\n") return "pids.max";
  return {};
}

void CreateFaults::for_each_call_of(Who who, sys::InterceptingKernel::Verdict verdict) const {
  for (int warm = 0; warm < 2; ++warm) {  // the first create makes folders, keys and caches
    ASSERT_TRUE(attempt({})) << last_error();
    end_container();
  }
  const auto calls = std::make_unique<Calls>(*calls_);
  ASSERT_GT(calls->of[who].made, 100U);
  ASSERT_LT(calls->of[who].made, Calls::kMost);
  for (std::size_t n = 1; n <= calls->of[who].made; ++n) {
    SCOPED_TRACE(calls->of[who].names[n]);
    if (attempt({who, n, verdict})) {
      EXPECT_EQ(second_look(), "") << "the fault was ignored";
      end_container();
    }
    ASSERT_EQ(residue(), "") << last_error();
  }
}

void CreateFaults::for_each_call(sys::InterceptingKernel::Verdict verdict) const {
  for_each_call_of(parent, verdict);
  for_each_call_of(init, verdict);
}

TEST_F(CreateFaults, AFailedCallLeavesNothing) {
  for_each_call({.kind = sys::InterceptingKernel::Verdict::fail, .error = EIO});
}

TEST_F(CreateFaults, ACallThatLiesIsNoticed) {
  for_each_call({.kind = sys::InterceptingKernel::Verdict::pretend});
}

}  // namespace
}  // namespace casemate
