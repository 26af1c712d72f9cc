#include "shim/base/json.h"

#include <cmath>

namespace casemate {
namespace {

constexpr std::size_t kMaxDepth = 32;

// Builds the DOM through nlohmann's own SAX parser and adds the refusals it does not know.
class StrictBuilder : public nlohmann::json_sax<Json> {
 public:
  explicit StrictBuilder(Json& root) : dom_(root, /*allow_exceptions=*/false) {}

  const std::string& rule() const { return rule_; }
  const std::string& problem() const { return problem_; }

  bool null() override { return dom_.null(); }
  bool boolean(bool v) override { return dom_.boolean(v); }
  bool number_integer(number_integer_t v) override { return dom_.number_integer(v); }
  bool number_unsigned(number_unsigned_t v) override { return dom_.number_unsigned(v); }
  bool number_float(number_float_t v, const string_t& text) override {
    if (!std::isfinite(v)) return refuse("json.number", "number out of range: " + text);
    return dom_.number_float(v, text);
  }
  bool string(string_t& v) override { return check(v) && dom_.string(v); }
  bool binary(binary_t&) override { return refuse("json.syntax", "binary value"); }
  bool start_object(std::size_t) override {
    keys_.emplace_back();
    return enter() && dom_.start_object(std::size_t(-1));
  }
  bool key(string_t& k) override {
    if (!check(k)) return false;
    if (!keys_.back().insert(k).second)
      return refuse("json.duplicate-key", "key \"" + k + "\" twice");
    return dom_.key(k);
  }
  bool end_object() override {
    keys_.pop_back();
    --depth_;
    return dom_.end_object();
  }
  bool start_array(std::size_t) override { return enter() && dom_.start_array(std::size_t(-1)); }
  bool end_array() override {
    --depth_;
    return dom_.end_array();
  }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& cause) override {
    constexpr int kNumberOutOfRange = 406;  // nlohmann's id
    if (cause.id == kNumberOutOfRange) return refuse("json.number", "number out of range");
    return refuse("json.syntax", "not valid JSON at byte " + std::to_string(position));
  }

 private:
  bool enter() {
    if (++depth_ > kMaxDepth) return refuse("json.depth", "nested deeper than 32");
    return true;
  }
  bool check(const string_t& text) {
    if (text.find('\0') != string_t::npos) return refuse("json.nul", "NUL in a string");
    return true;
  }
  bool refuse(std::string rule, std::string problem) {
    if (rule_.empty()) {
      rule_ = std::move(rule);
      problem_ = std::move(problem);
    }
    return false;
  }

  nlohmann::detail::json_sax_dom_parser<Json> dom_;
  std::vector<std::set<std::string>> keys_;
  std::size_t depth_ = 0;
  std::string rule_;
  std::string problem_;
};

Error mistyped(const std::string& pointer, std::string_view expected) {
  return bad_input("json.type", "expected " + std::string(expected), {}, pointer).error();
}

template <class T>
Result<T> convert(const Json& value, const std::string& pointer);

template <>
Result<std::string> convert(const Json& value, const std::string& pointer) {
  if (!value.is_string()) return std::unexpected(mistyped(pointer, "a string"));
  return value.get_ref<const std::string&>();
}
template <>
Result<bool> convert(const Json& value, const std::string& pointer) {
  if (!value.is_boolean()) return std::unexpected(mistyped(pointer, "true or false"));
  return value.get<bool>();
}
template <>
Result<std::int64_t> convert(const Json& value, const std::string& pointer) {
  const bool too_large = value.is_number_unsigned() && value.get<std::uint64_t>() > INT64_MAX;
  if (!value.is_number_integer() || too_large)
    return std::unexpected(mistyped(pointer, "a 64-bit integer"));
  return value.get<std::int64_t>();
}
template <>
Result<std::uint64_t> convert(const Json& value, const std::string& pointer) {
  if (!value.is_number_unsigned())
    return std::unexpected(mistyped(pointer, "a non-negative integer"));
  return value.get<std::uint64_t>();
}
template <>
Result<double> convert(const Json& value, const std::string& pointer) {
  if (!value.is_number()) return std::unexpected(mistyped(pointer, "a number"));
  return value.get<double>();
}

template <class T>
Result<std::vector<T>> convert_array(const Json& value, const std::string& pointer) {
  if (!value.is_array()) return std::unexpected(mistyped(pointer, "an array"));
  std::vector<T> out;
  out.reserve(value.size());
  for (std::size_t i = 0; i < value.size(); ++i)
    out.push_back(TRY(convert<T>(value[i], pointer + "/" + std::to_string(i))));
  return out;
}
template <>
Result<std::vector<std::string>> convert(const Json& value, const std::string& pointer) {
  return convert_array<std::string>(value, pointer);
}
template <>
Result<std::vector<std::int64_t>> convert(const Json& value, const std::string& pointer) {
  return convert_array<std::int64_t>(value, pointer);
}

}  // namespace

Result<Json> parse_json(std::string_view text) {
  // nlohmann would take a NUL for the end of the text, and skip a byte order mark.
  if (text.find('\0') != std::string_view::npos) return bad_input("json.syntax", "NUL byte");
  if (text.starts_with("\xef\xbb\xbf")) return bad_input("json.syntax", "byte order mark");
  Json root;
  StrictBuilder builder(root);
  if (Json::sax_parse(text, &builder)) return root;
  if (builder.rule().empty()) return bad_input("json.syntax", "not valid JSON");
  return bad_input(builder.rule(), builder.problem());
}

std::string dump(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}
std::string dump_pretty(const Json& value) {
  return value.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string pointer_token(std::string_view key) {
  std::string out;
  for (const char c : key) {
    if (c == '~')
      out += "~0";
    else if (c == '/')
      out += "~1";
    else
      out += c;
  }
  return out;
}

Result<JsonObject> JsonObject::of(const Json& value, std::string pointer) {
  if (!value.is_object()) return std::unexpected(mistyped(pointer, "an object"));
  return JsonObject(value, std::move(pointer));
}

std::string JsonObject::pointer_to(std::string_view key) const {
  return pointer_ + "/" + pointer_token(key);
}

bool JsonObject::has(std::string_view key) const {
  const auto at = object_->find(key);
  return at != object_->end() && !at->is_null();
}

const Json* JsonObject::take(std::string_view key) {
  seen_.emplace(key);
  const auto at = object_->find(key);
  return at == object_->end() || at->is_null() ? nullptr : &*at;
}

template <class T>
Result<std::optional<T>> JsonObject::find(std::string_view key) {
  const Json* value = take(key);
  if (value == nullptr) return std::optional<T>();
  return std::optional<T>(TRY(convert<T>(*value, pointer_to(key))));
}

template <class T>
Result<T> JsonObject::get(std::string_view key) {
  auto found = TRY(find<T>(key));
  if (!found)
    return bad_input("json.missing-key", "a required key is missing", {}, pointer_to(key));
  return std::move(*found);
}

template Result<std::string> JsonObject::get(std::string_view);
template Result<bool> JsonObject::get(std::string_view);
template Result<std::int64_t> JsonObject::get(std::string_view);
template Result<std::uint64_t> JsonObject::get(std::string_view);
template Result<double> JsonObject::get(std::string_view);
template Result<std::vector<std::string>> JsonObject::get(std::string_view);
template Result<std::vector<std::int64_t>> JsonObject::get(std::string_view);
template Result<std::optional<std::string>> JsonObject::find(std::string_view);
template Result<std::optional<bool>> JsonObject::find(std::string_view);
template Result<std::optional<std::int64_t>> JsonObject::find(std::string_view);
template Result<std::optional<std::uint64_t>> JsonObject::find(std::string_view);
template Result<std::optional<double>> JsonObject::find(std::string_view);
template Result<std::optional<std::vector<std::string>>> JsonObject::find(std::string_view);
template Result<std::optional<std::vector<std::int64_t>>> JsonObject::find(std::string_view);

Result<std::optional<JsonObject>> JsonObject::find_object(std::string_view key) {
  const Json* value = take(key);
  if (value == nullptr) return std::optional<JsonObject>();
  return std::optional<JsonObject>(TRY(JsonObject::of(*value, pointer_to(key))));
}

Result<JsonObject> JsonObject::object(std::string_view key) {
  auto found = TRY(find_object(key));
  if (!found)
    return bad_input("json.missing-key", "a required key is missing", {}, pointer_to(key));
  return std::move(*found);
}

Result<std::vector<JsonObject>> JsonObject::objects(std::string_view key) {
  std::vector<JsonObject> out;
  const Json* value = take(key);
  if (value == nullptr) return out;
  if (!value->is_array()) return std::unexpected(mistyped(pointer_to(key), "an array"));
  for (std::size_t i = 0; i < value->size(); ++i)
    out.push_back(TRY(JsonObject::of((*value)[i], pointer_to(key) + "/" + std::to_string(i))));
  return out;
}

Result<std::vector<std::pair<std::string, std::string>>> JsonObject::string_map(
    std::string_view key) {
  std::vector<std::pair<std::string, std::string>> out;
  auto map = TRY(find_object(key));
  if (!map) return out;
  for (const auto& [name, value] : map->raw().items())
    out.emplace_back(name, TRY(convert<std::string>(value, map->pointer_to(name))));
  return out;
}

Status JsonObject::done() const {
  for (const auto& [name, value] : object_->items())
    if (!seen_.contains(name))
      return bad_input("json.unknown-key", "unknown key \"" + name + "\"",
                       "remove it or correct its spelling", pointer_to(name));
  return {};
}

}  // namespace casemate
