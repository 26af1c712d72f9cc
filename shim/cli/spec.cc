#include <fcntl.h>

#include "shim/cli/command.h"
#include "shim/fs/host_file.h"

namespace casemate::cli {
namespace {

// The runtime-spec's example, narrowed: no capability, no new privileges, a read-only root.
constexpr std::string_view kTemplate = R"({
  "ociVersion": "1.2.0",
  "process": {
    "terminal": false,
    "user": {"uid": 0, "gid": 0},
    "args": ["/bin/sh"],
    "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
    "cwd": "/",
    "capabilities": {"bounding": [], "effective": [], "permitted": [], "inheritable": [], "ambient": []},
    "noNewPrivileges": true
  },
  "root": {"path": "rootfs", "readonly": true},
  "hostname": "casemate",
  "mounts": [
    {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
    {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
    {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]},
    {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]},
    {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": ["nosuid", "noexec", "nodev"]},
    {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]},
    {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["nosuid", "noexec", "nodev", "relatime", "ro"]}
  ],
  "linux": {
    "resources": {"devices": [{"allow": false, "access": "rwm"}]},
    "namespaces": [{"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"}, {"type": "cgroup"}],
    "maskedPaths": ["/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi"],
    "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
  }
}
)";

}  // namespace

Result<int> spec_command(run::Runtime& runtime, const Args& args) {
  const std::string path = args.value("--bundle", ".") + "/config.json";
  const open_how how{.flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, .mode = 0644, .resolve = 0};
  auto file = runtime.kernel.openat2(AT_FDCWD, path, how);
  if (!file && file.error().sys_errno == EEXIST)
    return bad_input("spec.exists", path + " exists", "remove it first");
  if (!file) return std::unexpected(std::move(file.error()));
  TRY(fs::write_all(runtime.kernel, file->get(), kTemplate));
  return 0;
}

}  // namespace casemate::cli
