#include "shim/cgroup/paths.h"

#include <algorithm>

#include "shim/cgroup/files.h"

namespace casemate::cgroup {
namespace {

constexpr const char* kPointer = "/linux/cgroupsPath";
constexpr std::size_t kMaxPath = 4000;
constexpr std::size_t kMaxName = 255;

Result<std::string> normalised(std::string_view path) {
  std::string out;
  for (const std::string_view piece : split(path, '/')) {
    if (piece.empty() || piece == ".") continue;
    const bool odd = piece == ".." || piece.size() > kMaxName ||
                     piece.find_first_of(std::string_view("\n\0", 2)) != std::string_view::npos;
    if (odd) {
      return bad_input("cgroup.path", "cgroup path \"" + std::string(path) + "\"",
                       "name a path without \"..\" and line breaks", kPointer);
    }
    if (!out.empty()) out += '/';
    out += piece;
  }
  return out;
}

}  // namespace

bool is_systemd_form(std::string_view path) {
  return !path.starts_with('/') && std::ranges::count(path, ':') == 2;
}

std::string parent_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string() : std::string(path.substr(0, slash));
}

std::string name_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return std::string(slash == std::string_view::npos ? path : path.substr(slash + 1));
}

Result<std::string> leaf_path(const Hierarchy& hierarchy, bool v2_alone,
                              std::string_view cgroups_path) {
  if (is_systemd_form(cgroups_path)) {
    return unsupported("cgroup.systemd", "cgroup path \"" + std::string(cgroups_path) + "\"",
                       "this form is systemd's: call the runtime with --systemd-cgroup, or "
                       "configure the engine's cgroupfs driver",
                       kPointer);
  }
  std::string asked = TRY(normalised(cgroups_path));
  if (asked.empty() || cgroups_path.size() > kMaxPath) {
    return bad_input("cgroup.path",
                     "cgroup path \"" + std::string(cgroups_path.substr(0, 100)) + "\"",
                     "name a control group below the root one", kPointer);
  }
  if (cgroups_path.starts_with('/')) return asked;
  // With v2 a cgroup that has processes (the caller is one) cannot give controllers to children.
  std::string base = TRY(normalised(hierarchy.root));
  if (v2_alone) base = parent_of(base);
  return base.empty() ? asked : base + "/" + asked;
}

Result<std::string> path_below(const Hierarchy& hierarchy,
                               const std::map<std::string, std::string>& below) {
  std::string chosen;
  for (const auto& [controller, path] : below) {
    const bool named = !hierarchy.v2 && hierarchy.has(controller);
    if (!controller.empty() && !named) continue;
    const auto pieces = split(path, '/');
    const bool down = std::ranges::none_of(
        pieces, [](std::string_view piece) { return piece.empty() || piece == ".."; });
    if (!down)
      return bad_input("cgroup.below", "control group \"" + printable(path) + "\"",
                       "name one relative to the container's own, without \"..\"");
    if (!chosen.empty() && chosen != path)
      return bad_input("cgroup.below", "two control groups in " + hierarchy.mount_point,
                       "its controllers are mounted together: name one");
    chosen = path;
  }
  return chosen;
}

}  // namespace casemate::cgroup
