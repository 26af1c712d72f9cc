#include "shim/cgroup/hierarchy.h"

#include <fcntl.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <optional>

#include "shim/cgroup/files.h"

namespace casemate::cgroup {
namespace {

std::unexpected<Error> malformed(std::string_view file, std::string_view line) {
  return bad_input("cgroup.mountinfo",
                   std::string(file) + " has the line \"" + std::string(line.substr(0, 200)) + "\"",
                   "proc(5) describes its form; is /proc the kernel's own?");
}

// proc(5): space, tab, newline and backslash stand as \ooo.
std::string unescape(std::string_view field) {
  const auto octal = [](char c) { return c >= '0' && c <= '7'; };
  std::string out;
  for (std::size_t i = 0; i < field.size(); ++i) {
    if (field[i] == '\\' && i + 3 < field.size() && octal(field[i + 1]) && octal(field[i + 2]) &&
        octal(field[i + 3])) {
      out += static_cast<char>(((field[i + 1] - '0') << 6) | ((field[i + 2] - '0') << 3) |
                               (field[i + 3] - '0'));
      i += 3;
    } else {
      out += field[i];
    }
  }
  return out;
}

// Super options that are no controllers.
bool is_controller(std::string_view option) {
  static constexpr std::string_view kOthers[] = {
      "rw",    "ro",       "all",  "none",           "noprefix",     "clone_children",
      "xattr", "seclabel", "sync", "cpuset_v2_mode", "favordynmods", "nofavordynmods"};
  return !option.empty() && !option.starts_with("release_agent=") &&
         std::ranges::find(kOthers, option) == std::end(kOthers);
}

struct MountLine {
  Hierarchy hierarchy;
  std::string mounted_root;  // which cgroup is visible at the mount point
};

// Nothing for mounts of other types.
Result<std::optional<MountLine>> parse_mount(std::string_view line) {
  const std::size_t dash = line.find(" - ");
  if (dash == std::string_view::npos) return malformed("mountinfo", line);
  const auto head = split(line.substr(0, dash), ' ');
  const auto tail = split(line.substr(dash + 3), ' ');
  if (head.size() < 6 || tail.size() < 3) return malformed("mountinfo", line);
  MountLine out;
  out.mounted_root = unescape(head[3]);
  out.hierarchy.mount_point = unescape(head[4]);
  out.hierarchy.v2 = tail[0] == "cgroup2";
  if (!out.hierarchy.v2 && tail[0] != "cgroup") return std::optional<MountLine>();
  if (!out.hierarchy.mount_point.starts_with('/') || !out.mounted_root.starts_with('/')) {
    return malformed("mountinfo", line);
  }
  if (out.hierarchy.v2) return out;
  for (const std::string_view option : split(tail[2], ',')) {
    if (is_controller(option)) out.hierarchy.controllers.emplace_back(option);
  }
  std::ranges::sort(out.hierarchy.controllers);
  return out;
}

// "memory" -> "/own/path"; "" is v2.
Result<std::map<std::string, std::string, std::less<>>> parse_own(std::string_view text) {
  std::map<std::string, std::string, std::less<>> own;
  for (const std::string_view line : split(text, '\n')) {
    if (line.empty()) continue;
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (second == std::string_view::npos || line.substr(second + 1, 1) != "/") {
      return malformed("/proc/self/cgroup", line);
    }
    const std::string path(line.substr(second + 1));
    const std::string_view names = line.substr(first + 1, second - first - 1);
    if (names.empty()) {
      own[""] = path;
      continue;
    }
    for (const std::string_view name : split(names, ',')) own[std::string(name)] = path;
  }
  return own;
}

// The own cgroup as seen at the mount point; "/" when the mount shows another part of the tree.
std::string below_mount(const std::string& own, const std::string& mounted_root) {
  if (mounted_root == "/") return own;
  if (own == mounted_root) return "/";
  return own.starts_with(mounted_root + "/") ? own.substr(mounted_root.size()) : "/";
}

void insert(std::vector<Hierarchy>& all, Hierarchy one) {
  // A mount over an earlier one hides it.
  std::erase_if(all, [&](const Hierarchy& old) { return old.mount_point == one.mount_point; });
  const bool known = std::ranges::any_of(all, [&](const Hierarchy& old) {
    return old.v2 == one.v2 && (one.v2 || old.controllers == one.controllers);
  });
  if (!known) all.push_back(std::move(one));
}

}  // namespace

bool Hierarchy::has(std::string_view controller) const {
  return std::ranges::find(controllers, controller) != controllers.end();
}

Result<std::vector<Hierarchy>> parse_hierarchies(std::string_view mountinfo,
                                                 std::string_view proc_cgroup) {
  const auto own = TRY(parse_own(proc_cgroup));
  std::vector<Hierarchy> all;
  for (const std::string_view line : split(mountinfo, '\n')) {
    if (line.empty()) continue;
    auto mount = TRY(parse_mount(line));
    if (!mount) continue;
    Hierarchy& one = mount->hierarchy;
    if (!one.v2 && one.controllers.empty()) continue;
    const auto path = own.find(one.v2 ? "" : one.controllers.front());
    one.root = below_mount(path == own.end() ? "/" : path->second, mount->mounted_root);
    insert(all, std::move(one));
  }
  return all;
}

Result<std::vector<Hierarchy>> read_hierarchies(sys::Kernel& kernel) {
  const auto proc = TRY(open_mount_point(kernel, "/proc/self"));
  const std::string mountinfo = TRY(read_file(kernel, proc.get(), "mountinfo"));
  const std::string proc_cgroup = TRY(read_file(kernel, proc.get(), "cgroup"));
  auto all = TRY(parse_hierarchies(mountinfo, proc_cgroup));
  for (Hierarchy& one : all) {
    if (!one.v2) continue;
    const auto mount = TRY(open_mount_point(kernel, one.mount_point));
    const std::string text = TRY(read_file(kernel, mount.get(), "cgroup.controllers"));
    for (const std::string_view name : words(text)) one.controllers.emplace_back(name);
  }
  if (all.empty()) {
    return unsupported("cgroup.none", "no cgroup file system is mounted",
                       "mount cgroup2 on /sys/fs/cgroup");
  }
  return all;
}

const Hierarchy* find(const std::vector<Hierarchy>& all, std::string_view controller) {
  for (const Hierarchy& one : all) {
    if (controller.empty() ? one.v2 : one.has(controller)) return &one;
  }
  return nullptr;
}

}  // namespace casemate::cgroup
