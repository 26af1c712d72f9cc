// The three ways a profile's words match a request's. There are no regular expressions: a pattern
// is a word, or a word and a final "*" (CVE-2026-41326 class: nothing half anchored).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace casemate::policy {

// `path` is `folder` or lies below it, by whole components. Both normalised.
bool path_within(std::string_view folder, std::string_view path);

// Pattern: an absolute path (itself only), or one that ends in "/*" (everything below, not itself).
bool path_matches(std::string_view pattern, std::string_view path);
bool path_matches_any(const std::vector<std::string>& patterns, std::string_view path);
bool is_path_pattern(std::string_view pattern);

// Pattern: a name, or a prefix and a final "*". A lone "*" matches every name.
bool name_matches(std::string_view pattern, std::string_view name);
bool name_matches_any(const std::vector<std::string>& patterns, std::string_view name);
// At most one "*", and that at the end; not empty.
bool is_name_pattern(std::string_view pattern);

// "a, b, c" for findings; "nothing" when empty.
std::string joined(const std::vector<std::string>& words);
bool contains(const std::vector<std::string>& words, std::string_view word);

}  // namespace casemate::policy
