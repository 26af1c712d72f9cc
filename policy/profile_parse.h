// Shared by the files that parse a profile; not for callers. Each section has its own function,
// which reads every key and refuses the unknown ones.
#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "policy/profile.h"
#include "shim/base/json.h"

namespace casemate::policy::detail {

// A list that must be there (it may be empty: then it allows nothing); no entry twice.
Result<std::vector<std::string>> get_list(JsonObject& object, std::string_view key);
// As get_list; every entry is a path pattern, a plain normalised path, or a name pattern.
Result<std::vector<std::string>> get_path_patterns(JsonObject& object, std::string_view key);
Result<std::vector<std::string>> get_paths(JsonObject& object, std::string_view key);
Result<std::vector<std::string>> get_name_patterns(JsonObject& object, std::string_view key);
// As get_list; every entry is one of `known`.
Result<std::vector<std::string>> get_words(JsonObject& object, std::string_view key,
                                           std::span<const std::string_view> known);

template <class E>
using Words = std::initializer_list<std::pair<std::string_view, E>>;

// A word that must be one of `words`; bad_input "profile.word".
template <class E>
Result<E> get_word(JsonObject& object, std::string_view key, Words<E> words) {
  const auto text = TRY(object.get<std::string>(key));
  std::string known;
  for (const auto& [word, value] : words) {
    if (word == text) return value;
    known.append(known.empty() ? "" : ", ").append(word);
  }
  return bad_input("profile.word", "\"" + printable(text) + "\" is not known here",
                   "write one of: " + known, object.pointer_to(key));
}

Status parse_namespaces(JsonObject section, Profile& out);
Status parse_user(JsonObject section, Profile& out);
Status parse_capabilities(JsonObject section, Profile& out);
Status parse_seccomp(JsonObject section, Profile& out);
Status parse_selinux(JsonObject section, Profile& out);
Status parse_mounts(JsonObject section, Profile& out);
Status parse_devices(JsonObject section, Profile& out);
Status parse_sysctls(JsonObject section, Profile& out);
Status parse_resources(JsonObject section, Profile& out);
Status parse_rlimits(JsonObject section, Profile& out);
Status parse_hooks(JsonObject section, Profile& out);
Status parse_process(JsonObject section, Profile& out);
Status parse_env(JsonObject section, Profile& out);
Status parse_network(JsonObject section, Profile& out);
Status parse_rootfs(JsonObject section, Profile& out);
Status parse_image(JsonObject section, Profile& out);
Status parse_dataset(JsonObject section, Profile& out);
Status parse_gpu(JsonObject section, Profile& out);
Status parse_host(JsonObject section, Profile& out);
Status parse_exec(JsonObject section, Profile& out);

}  // namespace casemate::policy::detail
