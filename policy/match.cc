#include "policy/match.h"

#include <algorithm>

namespace casemate::policy {

bool path_within(std::string_view folder, std::string_view path) {
  if (folder == "/") return path.starts_with('/');
  if (folder.empty() || !path.starts_with(folder)) return false;
  return path.size() == folder.size() || path[folder.size()] == '/';
}

bool path_matches(std::string_view pattern, std::string_view path) {
  if (!pattern.ends_with("/*")) return !pattern.empty() && pattern == path;
  const std::string_view folder = pattern.substr(0, pattern.size() - 2);
  if (folder.empty()) return path.size() > 1 && path.starts_with('/');
  return path.size() > folder.size() + 1 && path_within(folder, path);
}

bool path_matches_any(const std::vector<std::string>& patterns, std::string_view path) {
  return std::ranges::any_of(patterns, [&](const auto& p) { return path_matches(p, path); });
}

bool is_path_pattern(std::string_view pattern) {
  if (!pattern.starts_with('/')) return false;
  if (pattern == "/") return true;
  if (pattern.ends_with("/*")) pattern.remove_suffix(2);
  if (pattern.ends_with('/') || pattern.find('*') != std::string_view::npos) return false;
  for (const char* part : {"//", "/./", "/../"})
    if (pattern.find(part) != std::string_view::npos) return false;
  return !pattern.ends_with("/.") && !pattern.ends_with("/..");
}

bool name_matches(std::string_view pattern, std::string_view name) {
  if (!pattern.ends_with('*')) return !pattern.empty() && pattern == name;
  return name.starts_with(pattern.substr(0, pattern.size() - 1));
}

bool name_matches_any(const std::vector<std::string>& patterns, std::string_view name) {
  return std::ranges::any_of(patterns, [&](const auto& p) { return name_matches(p, name); });
}

bool is_name_pattern(std::string_view pattern) {
  const std::size_t star = pattern.find('*');
  return !pattern.empty() && (star == std::string_view::npos || star + 1 == pattern.size());
}

std::string joined(const std::vector<std::string>& words) {
  if (words.empty()) return "nothing";
  std::string out = words.front();
  for (std::size_t i = 1; i < words.size(); ++i) out += ", " + words[i];
  return out;
}

bool contains(const std::vector<std::string>& words, std::string_view word) {
  return std::ranges::find(words, word) != words.end();
}

}  // namespace casemate::policy
