#include <array>
#include <cstring>
#include <random>

#include "tests/fuzz/target.h"

namespace casemate::fuzz {
namespace {

using Random = std::minstd_rand;

// Values at the borders of what parsers expect.
const std::array<const char*, 40>& odd_values() {
  static const std::array<const char*, 40> kValues = {
      "null",
      "true",
      "false",
      "0",
      "1",
      "-1",
      "2147483647",
      "2147483648",
      "4294967295",
      "4294967296",
      "9223372036854775807",
      "9223372036854775808",
      "-9223372036854775808",
      "18446744073709551615",
      "0.5",
      "1e308",
      "-1e-308",
      R"("")",
      R"("..")",
      R"("/")",
      R"("/..")",
      R"("a/../b")",
      R"("\n")",
      R"("\u001b[2J")",
      R"("\u00e9")",
      R"("\ud83d\ude00")",
      R"("a=b")",
      R"("=")",
      R"("*")",
      R"("/*")",
      R"("1:2")",
      R"("0-3,8")",
      R"("sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")",
      R"("2026-01-02T03:04:05Z")",
      R"("AA==")",
      "[]",
      "{}",
      "[[]]",
      R"([""])",
      R"({"":0})"};
  return kValues;
}

std::size_t count(const Json& json) {
  std::size_t all = 1;
  if (json.is_structured())
    for (const Json& one : json) all += count(one);
  return all;
}

// The value with that number in the order of count(), and what holds it.
struct Place {
  Json* value = nullptr;
  Json* parent = nullptr;
};
Place find(Json& json, Json* parent, std::size_t& number) {
  if (number-- == 0) return {&json, parent};
  if (json.is_structured())
    for (Json& one : json)
      if (const Place found = find(one, &json, number); found.value != nullptr) return found;
  return {};
}
Place any_place(Json& root, Random& random) {
  std::size_t number = random() % count(root);
  return find(root, nullptr, number);
}

void change_number(Json& value, Random& random) {
  const std::int64_t by = random() % 3 == 0 ? 1 : -1;
  if (value.is_number_unsigned())
    value = value.get<std::uint64_t>() + static_cast<std::uint64_t>(by);
  else if (value.is_number_integer())
    value = static_cast<std::int64_t>(value.get<std::uint64_t>() + static_cast<std::uint64_t>(by));
}

void change_text(Json& value, Random& random) {
  auto& text = value.get_ref<std::string&>();
  const std::size_t at = text.empty() ? 0 : random() % text.size();
  switch (random() % 4) {
    case 0:
      text.erase(at, 1 + random() % 4);
      break;
    case 1:
      text.insert(at, 1, static_cast<char>(1 + random() % 127));
      break;
    case 2:
      text.insert(at, text.substr(0, 64));
      break;
    default:
      if (!text.empty()) text[at] = static_cast<char>(1 + random() % 127);
  }
}

void change_scalar(Json& value, Random& random) {
  if (value.is_number()) change_number(value, random);
  if (value.is_string()) change_text(value, random);
  if (value.is_boolean()) value = !value.get<bool>();
}

void remove(const Place& place) {
  Json& parent = *place.parent;
  for (auto at = parent.begin(); at != parent.end(); ++at)
    if (&*at == place.value) {
      parent.erase(at);
      return;
    }
}

// A copy of a value from elsewhere in the same text.
void graft(Json& root, const Place& place, Random& random) {
  Json copy = *any_place(root, random).value;
  if (place.value->is_array())
    place.value->push_back(std::move(copy));
  else
    *place.value = std::move(copy);
}

void change(Json& root, Random& random) {
  const Place place = any_place(root, random);
  switch (random() % 5) {
    case 0:
      *place.value = Json::parse(odd_values()[random() % odd_values().size()]);
      break;
    case 1:
      if (place.parent != nullptr) remove(place);
      break;
    case 2:
      graft(root, place, random);
      break;
    case 3:
      if (place.value->is_object()) (*place.value)["x"] = nullptr;
      break;
    default:
      change_scalar(*place.value, random);
  }
}

void shorten(Json& json) {
  if (json.is_array() && json.size() > 4) json.erase(json.begin() + 4, json.end());
  if (json.is_structured())
    for (Json& one : json) shorten(one);
}

}  // namespace

std::vector<std::string> shortened(std::vector<std::string> texts) {
  for (std::string& text : texts) {
    Json json = Json::parse(text);
    shorten(json);
    text = dump(json);
  }
  return texts;
}

std::size_t mutate_json(char* data, std::size_t size, std::size_t limit, unsigned seed) {
  Json root = Json::parse(data, data + size, nullptr, /*allow_exceptions=*/false);
  if (root.is_discarded()) return 0;
  Random random(seed);
  for (unsigned changes = 1 + random() % 3; changes > 0; --changes) change(root, random);
  const std::string text = dump(root);
  if (text.size() > limit) return 0;
  std::memcpy(data, text.data(), text.size());
  return text.size();
}

}  // namespace casemate::fuzz
