#include "shim/oci/parse_detail.h"

#include <algorithm>

namespace casemate::oci {

std::string normalise_path(std::string_view path) {
  std::string out;
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    const std::string_view part = path.substr(at, end - at);
    if (!part.empty() && part != ".") out.append("/").append(part);
    at = end + 1;
  }
  return out.empty() ? "/" : out;
}

namespace detail {

Result<std::uint32_t> check_id(std::int64_t value, const std::string& pointer) {
  if (value < 0 || value > INT32_MAX)
    return bad_input("oci.uid-range", "user or group id " + std::to_string(value),
                     "ids go from 0 to 2147483647", pointer);
  return static_cast<std::uint32_t>(value);
}

Result<std::uint32_t> get_id(JsonObject& object, std::string_view key) {
  const Json* value = object.take(key);
  if (value == nullptr) return 0U;
  const std::string pointer = object.pointer_to(key);
  const bool huge = value->is_number_unsigned() && value->get<std::uint64_t>() > INT32_MAX;
  if (!value->is_number_integer() || huge)
    return bad_input("oci.uid-range", "user or group id " + dump(*value),
                     "ids are integers from 0 to 2147483647", pointer);
  return check_id(value->get<std::int64_t>(), pointer);
}

Result<std::optional<std::uint64_t>> find_u64(JsonObject& object, std::string_view key) {
  return object.find<std::uint64_t>(key);
}

Result<std::optional<std::uint32_t>> find_u32(JsonObject& object, std::string_view key) {
  const auto value = TRY(object.find<std::uint64_t>(key));
  if (!value) return std::optional<std::uint32_t>();
  if (*value > UINT32_MAX)
    return bad_input("oci.number-range", "number above 2^32-1", {}, object.pointer_to(key));
  return std::optional<std::uint32_t>(static_cast<std::uint32_t>(*value));
}

Status refuse_property(JsonObject& object, std::string_view key, std::string_view hint) {
  const Json* value = object.take(key);
  if (value == nullptr) return {};
  const bool container = value->is_object() || value->is_array();
  const bool nothing = (container && value->empty()) || *value == Json("");
  if (nothing) return {};
  return unsupported("oci." + std::string(key), "\"" + std::string(key) + "\" is not served",
                     std::string(hint), object.pointer_to(key));
}

Status check_printable(std::string_view text, std::string_view rule, const std::string& pointer) {
  const bool bad = std::ranges::any_of(text, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
  if (!bad) return {};
  return bad_input(std::string(rule), "control character in \"" + printable(text) + "\"",
                   "remove it", pointer);
}

bool has_dotdot(std::string_view path) {
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    if (path.substr(at, end - at) == "..") return true;
    at = end + 1;
  }
  return false;
}

Result<std::string> check_path(std::string_view path, std::string_view rule,
                               const std::string& pointer) {
  TRY(check_printable(path, rule, pointer));
  if (!path.starts_with('/') || has_dotdot(path))
    return bad_input(std::string(rule), "path \"" + printable(path) + "\"",
                     "give an absolute path without \"..\"", pointer);
  return normalise_path(path);
}

Status check_env(const std::vector<std::string>& env, const std::string& pointer) {
  for (std::size_t i = 0; i < env.size(); ++i) {
    const std::size_t equals = env[i].find('=');
    if (equals == 0 || equals == std::string::npos)
      return bad_input("oci.env", "environment entry \"" + printable(env[i]) + "\"",
                       "write NAME=VALUE", pointer + "/" + std::to_string(i));
  }
  return {};
}

}  // namespace detail

}  // namespace casemate::oci
