// Strict JSON (RFC 8259): what a security decision reads must have exactly one meaning.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "shim/base/result.h"

namespace casemate {

// Keys are sorted, so equal values dump to equal bytes.
using Json = nlohmann::json;

// Refuses (bad_input, rule "json.*"): duplicate keys at any depth, trailing data, comments,
// nesting deeper than 32, NUL in strings, invalid UTF-8, numbers that are not finite.
Result<Json> parse_json(std::string_view text);

// Compact, UTF-8; bytes that are not UTF-8 become U+FFFD instead of throwing.
std::string dump(const Json& value);
std::string dump_pretty(const Json& value);

// Escapes one reference token of a JSON pointer (RFC 6901: ~ and /).
std::string pointer_token(std::string_view key);

// Reads one JSON object key by key and knows where it stands, so that every error names the JSON
// pointer of the offending value. Missing required keys, wrong types and out-of-range numbers are
// bad_input errors. Keeps a pointer into the Json it was made of: that must outlive it.
class JsonObject {
 public:
  static Result<JsonObject> of(const Json& value, std::string pointer = {});

  const std::string& pointer() const { return pointer_; }
  std::string pointer_to(std::string_view key) const;
  const Json& raw() const { return *object_; }
  bool has(std::string_view key) const;  // a null value counts as absent
  // The value itself, marked as read; nullptr when absent.
  const Json* take(std::string_view key);

  // T: std::string, bool, std::int64_t, std::uint64_t, double, std::vector<std::string>,
  // std::vector<std::int64_t>.
  template <class T>
  Result<T> get(std::string_view key);
  template <class T>
  Result<std::optional<T>> find(std::string_view key);
  // find() with a default for an absent key.
  template <class T>
  Result<T> get_or(std::string_view key, T fallback) {
    auto found = TRY(find<T>(key));
    return found ? std::move(*found) : std::move(fallback);
  }

  Result<JsonObject> object(std::string_view key);
  Result<std::optional<JsonObject>> find_object(std::string_view key);
  // Every element must be an object; absent is empty.
  Result<std::vector<JsonObject>> objects(std::string_view key);
  // A map of strings to strings; absent is empty.
  Result<std::vector<std::pair<std::string, std::string>>> string_map(std::string_view key);

  // bad_input "json.unknown-key" when the object has a key that nobody asked for.
  Status done() const;

 private:
  JsonObject(const Json& object, std::string pointer)
      : object_(&object), pointer_(std::move(pointer)) {}
  const Json* object_;
  std::string pointer_;
  std::set<std::string, std::less<>> seen_;
};

}  // namespace casemate
