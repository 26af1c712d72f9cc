#include "shim/systemd/scope.h"

#include <algorithm>

#include "shim/cgroup/files.h"
#include "shim/cgroup/paths.h"

namespace casemate::systemd {
namespace {

constexpr const char* kPointer = "/linux/cgroupsPath";
constexpr std::string_view kSlice = ".slice";
constexpr std::string_view kScope = ".scope";
constexpr std::size_t kMaxName = 255;  // UNIT_NAME_MAX, with its zero

std::unexpected<Error> malformed(const std::string& what, const char* hint) {
  return bad_input("cgroup.systemd", what, hint, kPointer);
}

// systemd.unit(5). "@" would make it an instance of a template, "\" begins an escape.
bool is_unit_name(std::string_view name) {
  return !name.empty() && name.size() < kMaxName && name.front() != '.' &&
         std::ranges::all_of(
             name,
             [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '-' || c == '_' || c == '.' || c == ':' || c == '\\';
             });
}

}  // namespace

Result<plan::Scope> parse_scope(std::string_view cgroups_path) {
  const auto parts = cgroup::split(cgroups_path, ':');
  if (!cgroup::is_systemd_form(cgroups_path) || parts[2].empty()) {
    return malformed("cgroup path \"" + printable(cgroups_path) + "\" with --systemd-cgroup",
                     "name it slice:prefix:name, or leave --systemd-cgroup out");
  }
  plan::Scope scope;
  scope.slice = parts[0].empty() ? "system.slice" : std::string(parts[0]);
  TRY(slice_path(scope.slice));
  scope.unit = std::string(parts[1]) + (parts[1].empty() ? "" : "-") + std::string(parts[2]);
  if (scope.unit.ends_with(kSlice)) {
    return malformed("the container's unit \"" + printable(scope.unit) + "\" is a slice",
                     "containers are scopes: name one");
  }
  scope.unit += kScope;
  if (is_unit_name(scope.unit)) return scope;
  return malformed("systemd knows no unit of the name \"" + printable(scope.unit) + "\"",
                   "letters, digits and - _ . : \\, 254 of them at most");
}

Result<std::string> slice_path(std::string_view slice) {
  if (slice == "-.slice") return std::string();
  const std::string_view name =
      slice.substr(0, slice.size() - std::min(slice.size(), kSlice.size()));
  const bool fits = slice.ends_with(kSlice) && is_unit_name(slice) && !name.empty() &&
                    !name.starts_with('-') && !name.ends_with('-') &&
                    name.find("--") == std::string_view::npos;
  if (!fits) {
    return malformed("\"" + printable(slice) + "\" is no slice",
                     "as in system.slice or machine-gpu.slice");
  }
  std::string path;
  for (std::size_t dash = name.find('-'); dash != std::string_view::npos;
       dash = name.find('-', dash + 1)) {
    path += "/" + std::string(name.substr(0, dash)) + std::string(kSlice);
  }
  return path + "/" + std::string(slice);
}

Result<std::string> control_group(const plan::Scope& scope) {
  return TRY(slice_path(scope.slice)) + "/" + scope.unit;
}

}  // namespace casemate::systemd
