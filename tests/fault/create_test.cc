// Every kernel call of create fails once, and claims success and does nothing once. A create that
// fails leaves nothing behind; one that succeeds all the same must hold under a second look: what
// was planned is what the kernel shows.
#include "shim/run/create.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <set>
#include <thread>

#include "shim/run/lifecycle.h"
#include "shim/sys/real_kernel.h"
#include "tests/fault/fixture.h"

namespace casemate {
namespace {

namespace files = std::filesystem;

constexpr const char* kId = "fault";

constexpr const char* kConfig = R"({
  "ociVersion": "1.2.0",
  "process": {"user": {"uid": 1000, "gid": 1000, "additionalGids": [5]}, "args": ["/bin/true"],
    "env": ["PATH=/bin"], "cwd": "/work", "noNewPrivileges": true, "oomScoreAdj": 100,
    "scheduler": {"policy": "SCHED_BATCH", "nice": 5},
    "ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 6},
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
    "personality": {"domain": "LINUX32"}, "memoryPolicy": {"mode": "MPOL_BIND", "nodes": "0"},
    "sysctl": {"net.ipv4.ip_unprivileged_port_start": "0"},
    "resources": {"pids": {"limit": 64}, "memory": {"limit": 67108864}},
    "namespaces": [{"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"}],
    "maskedPaths": ["/proc/kcore", "/proc/keys", "/sys/firmware"],
    "readonlyPaths": ["/proc/sys", "/proc/bus"]}
})";

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

class CreateFaults : public Faults {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(make_home(kConfig, "true"));
    files::create_directories(home_ / "bundle/rootfs/copied");
    write_file(home_ / "bundle/rootfs/copied/file", "copied");
    cgroups_ = cgroups();
    mounts_ = file_of("/proc/self/mountinfo");
  }

  Status command(sys::Kernel& kernel) const override {
    auto runtime = TRY(this->runtime(kernel));
    runtime.settings.notify_socket = home_ / "notify";
    TRY(run::create(runtime, {.id = kId, .bundle = home_ / "bundle", .pid_file = home_ / "pid"}));
    return {};
  }

  std::string second_look() const override;

  void end_made() const override {
    sys::RealKernel kernel;
    auto runtime = this->runtime(kernel);
    ASSERT_TRUE(runtime);
    const Status removed = run::remove(*runtime, kId, /*force=*/true);
    EXPECT_TRUE(removed) << removed.error().message();
    files::remove(home_ / "pid");
  }

  std::string residue() const override {
    pid_t left = 0;
    for (int patience = 0; patience < 300; ++patience) {
      do left = ::waitpid(-1, nullptr, WNOHANG);
      while (left > 0);
      if (left < 0) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    if (left == 0) return "a process is left";
    if (cgroups() != cgroups_) return "a cgroup is left";
    if (file_of("/proc/self/mountinfo") != mounts_) return "a mount is left";
    if (files::exists(home_ / "pid")) return "the pid file is left";
    if (files::exists(home_ / "state"))
      for (const auto& entry : files::recursive_directory_iterator(home_ / "state"))
        if (entry.path().filename() == kId) return "the container's directory is left";
    return {};
  }

 private:
  std::set<std::string> cgroups_;
  std::string mounts_;
};

std::string CreateFaults::second_look() const {
  const std::string pid = file_of(home_ / "pid");
  if (pid.empty()) return "no pid file";
  const std::string proc = "/proc/" + pid + "/";
  const std::string text = file_of(proc + "status");
  if (text.find("\nState:\tZ") != std::string::npos) return {};  // nothing will ever run in it
  for (const char* wanted :
       {"\nUid:\t1000\t1000\t1000\t1000\n", "\nGid:\t1000\t1000\t1000\t1000\n", "\nGroups:\t5 \n",
        "\nCapEff:\t0000000000000020\n", "\nCapBnd:\t0000000000000020\n",
        "\nCapInh:\t0000000000000000\n", "\nNoNewPrivs:\t1\n", "\nSeccomp:\t2\n"})
    if (text.find(wanted) == std::string::npos) return "not in status: " + std::string(wanted);
  const std::string table = file_of(proc + "mountinfo");
  for (const char* wanted :
       {" / ro", " /proc ", " /dev ", " /sys ro", " /shared ro", " /proc/keys ",
        " /sys/firmware ro", " /proc/sys ro", " /run/notify ro"})
    if (table.find(wanted) == std::string::npos) return "not mounted: " + std::string(wanted);
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
  if (const std::string wrong = look_at_scheduling(std::stoi(pid)); !wrong.empty()) return wrong;
  if (::getsid(std::stoi(pid)) != std::stoi(pid)) return "no session of its own";
  const std::string group = cgroup_of(file_of(proc + "cgroup"), "pids");
  if (file_of("/sys/fs/cgroup/pids" + group + "/pids.max") != "64\n") return "pids.max";
  return {};
}

TEST_F(CreateFaults, AFailedCallLeavesNothing) {
  for_each_call({.kind = sys::InterceptingKernel::Verdict::fail, .error = EIO}, 100);
}

TEST_F(CreateFaults, ACallThatLiesIsNoticed) {
  for_each_call({.kind = sys::InterceptingKernel::Verdict::pretend}, 100);
}

}  // namespace
}  // namespace casemate
