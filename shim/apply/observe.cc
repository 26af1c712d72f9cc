#include "shim/apply/observe.h"

#include <dirent.h>
#include <fcntl.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>

#include "shim/apply/attach.h"
#include "shim/apply/proc_status.h"
#include "shim/fs/host_file.h"

namespace casemate::apply {
namespace {

constexpr std::size_t kMaxText = 4 << 20;

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const auto end = text.find(separator);
    if (end != 0) parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return parts;
}

bool has_option(std::string_view options, std::string_view name) {
  const auto all = split(options, ',');
  return std::find(all.begin(), all.end(), name) != all.end();
}

Result<std::string> read_of(sys::Kernel& kernel, pid_t pid, const char* file) {
  return fs::read_file(kernel, "/proc/" + std::to_string(pid) + "/" + file, kMaxText);
}

Result<std::uint64_t> inode_of(sys::Kernel& kernel, const std::string& path) {
  return TRY(kernel.fstatat(AT_FDCWD, path, 0)).st_ino;
}

Status observe_namespaces(sys::Kernel& kernel, const plan::Plan& plan, const InitIdentity& init,
                          plan::Observed& out) {
  const auto* step = plan.find<plan::Namespaces>();
  if (step == nullptr) return {};
  for (const oci::Namespace& asked : step->all) {
    const std::string name = proc_name(asked.type);
    plan::NamespaceInodes inodes;
    inodes.container = TRY(inode_of(kernel, "/proc/" + std::to_string(init.pid) + "/ns/" + name));
    inodes.host = TRY(inode_of(kernel, "/proc/self/ns/" + name));
    const auto joined = init.joined.find(asked.type);
    if (joined != init.joined.end())
      inodes.asked = joined->second;
    else if (!asked.path.empty())
      inodes.asked = TRY(inode_of(kernel, asked.path));
    out.namespaces[std::string(oci::to_string(asked.type))] = inodes;
  }
  return {};
}

void take_status(const ProcStatus& status, plan::Observed& out) {
  out.uids = status.uids;
  out.gids = status.gids;
  out.groups = status.groups;
  out.cap_inheritable = status.cap_inheritable;
  out.cap_permitted = status.cap_permitted;
  out.cap_effective = status.cap_effective;
  out.cap_bounding = status.cap_bounding;
  out.cap_ambient = status.cap_ambient;
  out.no_new_privileges = status.no_new_privileges;
  out.umask = status.umask;
  out.session_leader = status.session == status.pid;
  out.seccomp_mode = status.seccomp_mode;
  out.seccomp_filters = status.seccomp_filters;
}

// /proc shows ids as the reader's user namespace sees them: back to the container's.
std::uint32_t to_container(std::uint32_t host, const std::vector<oci::IdMapping>& maps) {
  for (const oci::IdMapping& map : maps)
    if (host >= map.host_id && host - map.host_id < map.size)
      return map.container_id + (host - map.host_id);
  return host;
}

void translate_ids(const plan::Plan& plan, plan::Observed& out) {
  const auto* maps = plan.find<plan::IdMaps>();
  if (maps == nullptr) return;
  for (std::uint32_t& uid : out.uids) uid = to_container(uid, maps->uids);
  for (std::uint32_t& gid : out.gids) gid = to_container(gid, maps->gids);
  for (std::uint32_t& gid : out.groups) gid = to_container(gid, maps->gids);
}

struct CloseDir {
  void operator()(DIR* dir) const { ::closedir(dir); }
};

Result<std::vector<int>> other_descriptors(const InitIdentity& init) {
  const std::string path = "/proc/" + std::to_string(init.pid) + "/fd";
  const std::unique_ptr<DIR, CloseDir> dir(::opendir(path.c_str()));
  if (!dir) return sys_error("read " + path);
  std::vector<int> others;
  while (const dirent* entry = ::readdir(dir.get())) {
    int number = -1;
    const std::string_view name = entry->d_name;
    std::from_chars(name.data(), name.data() + name.size(), number);
    const auto& own = init.own_descriptors;
    if (number > 2 && std::find(own.begin(), own.end(), number) == own.end())
      others.push_back(number);
  }
  return others;
}

// context="…" of a superblock's options; the quotes are there when the label has a comma.
std::string label_in(std::string_view options) {
  constexpr std::string_view kKey = "context=";
  for (auto at = options.find(kKey); at != std::string_view::npos;
       at = options.find(kKey, at + 1)) {
    if (at != 0 && options[at - 1] != ',') continue;  // such as rootcontext=
    std::string_view value = options.substr(at + kKey.size());
    const bool quoted = value.starts_with('"');
    if (quoted) value.remove_prefix(1);
    return std::string(value.substr(0, value.find(quoted ? '"' : ',')));
  }
  return {};
}

Result<plan::ObservedMount> parse_mount(std::string_view line) {
  const auto fields = split(line, ' ');
  const auto dash = std::find(fields.begin(), fields.end(), "-");
  plan::ObservedMount mount;
  const auto number = [](std::string_view field, std::uint64_t& value) {
    return std::from_chars(field.data(), field.data() + field.size(), value).ec == std::errc();
  };
  const bool complete = dash - fields.begin() >= 6 && fields.end() - dash >= 2;
  if (!complete || !number(fields[0], mount.id) || !number(fields[1], mount.parent))
    return internal("proc.mountinfo", "malformed line: " + std::string(line));
  mount.point = fields[4];
  mount.type = dash[1];
  if (fields.end() - dash >= 4) mount.label = label_in(dash[3]);
  mount.readonly = has_option(fields[5], "ro");
  mount.nosuid = has_option(fields[5], "nosuid");
  mount.nodev = has_option(fields[5], "nodev");
  mount.noexec = has_option(fields[5], "noexec");
  mount.nosymfollow = has_option(fields[5], "nosymfollow");
  mount.noatime = has_option(fields[5], "noatime");
  mount.nodiratime = has_option(fields[5], "nodiratime");
  mount.relatime = has_option(fields[5], "relatime");
  mount.idmapped = has_option(fields[5], "idmapped");
  for (auto field = fields.begin() + 6; field != dash; ++field) {
    mount.shared = mount.shared || field->starts_with("shared:");
    mount.slave = mount.slave || field->starts_with("master:");
    mount.unbindable = mount.unbindable || *field == "unbindable";
  }
  return mount;
}

const std::string* path_of(const plan::Step& step) {
  if (const auto* mount = std::get_if<plan::AttachMount>(&step)) return &mount->destination;
  if (const auto* path = std::get_if<plan::ReadonlyPath>(&step)) return &path->path;
  if (const auto* path = std::get_if<plan::MaskPath>(&step)) return &path->path;
  return nullptr;
}

struct LimitLine {
  std::string_view title;
  const char* name;
};
constexpr std::array kLimitLines = {
    LimitLine{"Max cpu time", "RLIMIT_CPU"},
    LimitLine{"Max file size", "RLIMIT_FSIZE"},
    LimitLine{"Max data size", "RLIMIT_DATA"},
    LimitLine{"Max stack size", "RLIMIT_STACK"},
    LimitLine{"Max core file size", "RLIMIT_CORE"},
    LimitLine{"Max resident set", "RLIMIT_RSS"},
    LimitLine{"Max processes", "RLIMIT_NPROC"},
    LimitLine{"Max open files", "RLIMIT_NOFILE"},
    LimitLine{"Max locked memory", "RLIMIT_MEMLOCK"},
    LimitLine{"Max address space", "RLIMIT_AS"},
    LimitLine{"Max file locks", "RLIMIT_LOCKS"},
    LimitLine{"Max pending signals", "RLIMIT_SIGPENDING"},
    LimitLine{"Max msgqueue size", "RLIMIT_MSGQUEUE"},
    LimitLine{"Max nice priority", "RLIMIT_NICE"},
    LimitLine{"Max realtime priority", "RLIMIT_RTPRIO"},
    LimitLine{"Max realtime timeout", "RLIMIT_RTTIME"},
};

std::uint64_t limit_value(std::string_view text) {
  std::uint64_t value = RLIM_INFINITY;  // "unlimited"
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace

const char* proc_name(oci::NamespaceType type) {
  switch (type) {
    case oci::NamespaceType::pid:
      return "pid";
    case oci::NamespaceType::network:
      return "net";
    case oci::NamespaceType::mount:
      return "mnt";
    case oci::NamespaceType::ipc:
      return "ipc";
    case oci::NamespaceType::uts:
      return "uts";
    case oci::NamespaceType::user:
      return "user";
    case oci::NamespaceType::cgroup:
      return "cgroup";
    case oci::NamespaceType::time:
      return "time";
  }
  return "mnt";
}

Result<std::map<std::size_t, std::uint64_t>> mounts_at(const fs::SafeRoot& root,
                                                       const plan::Plan& plan) {
  std::map<std::size_t, std::uint64_t> at;
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    const std::string* path = path_of(plan.steps[i]);
    if (path == nullptr) continue;
    const auto found = root.open(*path, O_PATH);
    const int error = found ? 0 : found.error().sys_errno;
    if (!found && error != ENOENT && error != ENOTDIR) return std::unexpected(found.error());
    at[i] = found ? TRY(root.kernel().mount_id(found->get())) : 0;
  }
  return at;
}

Result<std::vector<plan::ObservedMount>> parse_mountinfo(std::string_view text) {
  std::vector<plan::ObservedMount> mounts;
  for (const std::string_view line : split(text, '\n')) mounts.push_back(TRY(parse_mount(line)));
  return mounts;
}

Result<std::map<std::string, plan::ObservedLimit>> parse_limits(std::string_view text) {
  std::map<std::string, plan::ObservedLimit> limits;
  for (const std::string_view line : split(text, '\n'))
    for (const LimitLine& known : kLimitLines) {
      if (!line.starts_with(known.title)) continue;
      const auto values = split(line.substr(known.title.size()), ' ');
      if (values.size() < 2) return internal("proc.limits", "malformed line: " + std::string(line));
      limits[known.name] = {limit_value(values[0]), limit_value(values[1])};
    }
  return limits;
}

Result<plan::Observed> observe(sys::Kernel& kernel, const plan::Plan& plan,
                               const InitIdentity& init) {
  plan::Observed out;
  take_status(TRY(parse_status(TRY(read_of(kernel, init.pid, "status")))), out);
  translate_ids(plan, out);
  const ProcStatus self =
      TRY(parse_status(TRY(fs::read_file(kernel, "/proc/self/status", kMaxText))));
  // In a user namespace of its own init had every capability there is.
  out.machine_capabilities =
      plan.find<plan::IdMaps>() == nullptr ? self.cap_permitted : ~std::uint64_t{0};
  out.seccomp_filters -= self.seccomp_filters;
  TRY(observe_namespaces(kernel, plan, init, out));
  out.mounts = TRY(parse_mountinfo(TRY(read_of(kernel, init.pid, "mountinfo"))));
  for (const Attached& one : init.attached) out.mount_ids[one.step].push_back(one.mount_id);
  const open_how how{.flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .mode = 0, .resolve = 0};
  const std::string path = "/proc/" + std::to_string(init.pid) + "/root";
  const fs::SafeRoot root(kernel, TRY(kernel.openat2(AT_FDCWD, path, how)));
  out.mount_at = TRY(mounts_at(root, plan));
  out.limits = TRY(parse_limits(TRY(read_of(kernel, init.pid, "limits"))));
  const std::string score = TRY(read_of(kernel, init.pid, "oom_score_adj"));
  std::from_chars(score.data(), score.data() + score.size(), out.oom_score_adj);
  if (plan.find<plan::SetLabel>() != nullptr) {
    out.exec_label = TRY(read_of(kernel, init.pid, "attr/exec"));
    while (!out.exec_label.empty() &&
           (out.exec_label.back() == '\n' || out.exec_label.back() == '\0'))
      out.exec_label.pop_back();
  }
  TRY(observe_scheduling(kernel, plan, init.pid, out));
  out.descriptors = TRY(other_descriptors(init));
  return out;
}

}  // namespace casemate::apply
