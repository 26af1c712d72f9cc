#include "shim/base/json.h"

#include <gtest/gtest.h>

#include <random>

namespace casemate {
namespace {

std::string nested(int depth) {
  return std::string(depth, '[') + std::string(depth, ']');
}

struct Refusal {
  std::string text;
  std::string rule;
};

TEST(ParseJson, RefusesWhatHasNoSingleMeaning) {
  const std::vector<Refusal> table = {
      {"", "json.syntax"},
      {" ", "json.syntax"},
      {"{", "json.syntax"},
      {"{}{}", "json.syntax"},
      {"{} x", "json.syntax"},
      {"[1,]", "json.syntax"},
      {"{\"a\":1,}", "json.syntax"},
      {"// c\n{}", "json.syntax"},
      {"{/* c */}", "json.syntax"},
      {"{a:1}", "json.syntax"},
      {"{'a':1}", "json.syntax"},
      {"01", "json.syntax"},
      {"+1", "json.syntax"},
      {".5", "json.syntax"},
      {"1.", "json.syntax"},
      {"0x10", "json.syntax"},
      {"NaN", "json.syntax"},
      {"Infinity", "json.syntax"},
      {"True", "json.syntax"},
      {"\"\\x41\"", "json.syntax"},
      {"\"\\ud800\"", "json.syntax"},
      {"\"\\udc00\\ud800\"", "json.syntax"},
      {"\"a\nb\"", "json.syntax"},
      {"\"\xff\"", "json.syntax"},
      {"\"\xc0\x80\"", "json.syntax"},
      {"\"\xed\xa0\x80\"", "json.syntax"},
      {std::string("{}\0", 3), "json.syntax"},
      {std::string("{}\0{\"a\":1}", 10), "json.syntax"},
      {"\xef\xbb\xbf{}", "json.syntax"},
      {std::string("\"a\0b\"", 5), "json.syntax"},
      {"\"a\\u0000b\"", "json.nul"},
      {"{\"a\\u0000\":1}", "json.nul"},
      {"{\"a\":1,\"a\":1}", "json.duplicate-key"},
      {"{\"a\":1,\"\\u0061\":2}", "json.duplicate-key"},
      {"[{\"b\":{\"a\":1,\"a\":2}}]", "json.duplicate-key"},
      {nested(33), "json.depth"},
      {std::string(100000, '['), "json.depth"},
  };
  for (const auto& [text, rule] : table) {
    const auto parsed = parse_json(text);
    ASSERT_FALSE(parsed) << printable(text);
    EXPECT_EQ(parsed.error().rule, rule) << printable(text);
    EXPECT_EQ(parsed.error().cls, ErrorClass::bad_input) << printable(text);
  }
}

TEST(ParseJson, RefusesNumbersThatAreNotFinite) {
  for (const char* text : {"1e400", "-1e999", "[1E+4000]"}) {
    const auto parsed = parse_json(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().rule, "json.number") << text;
  }
}

TEST(ParseJson, AcceptsWhatIsValid) {
  EXPECT_TRUE(parse_json(nested(32)));
  EXPECT_EQ(*parse_json(" {\"a\" : [1, -2, 1.5e3, true, null, \"\\u00e9\\ud83d\\ude00\"]}\n"),
            Json({{"a", {1, -2, 1500.0, true, nullptr, "é😀"}}}));
  EXPECT_EQ(*parse_json("18446744073709551615"), Json(UINT64_MAX));
  // The same key in two objects is no duplicate.
  EXPECT_TRUE(parse_json("{\"a\":{\"a\":1},\"b\":{\"a\":1}}"));
}

TEST(DumpJson, IsCompactSortedAndTotal) {
  EXPECT_EQ(dump(*parse_json("{ \"b\": 1, \"a\": [ ] }")), "{\"a\":[],\"b\":1}");
  EXPECT_EQ(dump(Json("a\xff")), "\"a\xef\xbf\xbd\"");
  EXPECT_EQ(dump_pretty(Json::object()), "{}\n");
}

// Random edits of a valid text: the parser never crashes, and what it accepts means the same after
// it was written and read again.
TEST(ParseJson, SurvivesMutations) {
  const std::string seed_text =
      R"({"a":[1,-2,3.5e-7,true,false,null],"b":{"c":"d\u00e9\n","e":{"f":[[],{}]}},"":0})";
  constexpr std::string_view kAlphabet = "{}[]\",:\\u0e-+.1tfn \n\x80\xc3\xff";
  std::mt19937 random(20260102);
  int accepted = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string text = seed_text;
    const unsigned edits = random() % 4;
    for (unsigned edit = 0; edit < edits; ++edit) {
      const std::size_t at = random() % (text.size() + 1);
      const char letter = kAlphabet[random() % kAlphabet.size()];
      switch (random() % 3) {
        case 0:
          text.insert(at, 1, letter);
          break;
        case 1:
          text.erase(at, 1 + random() % 3);
          break;
        default:
          text.replace(at, 1, 1, letter);
          break;
      }
    }
    const auto parsed = parse_json(text);
    if (!parsed) {
      EXPECT_TRUE(parsed.error().rule.starts_with("json.")) << printable(text);
      continue;
    }
    ++accepted;
    const auto again = parse_json(dump(*parsed));
    ASSERT_TRUE(again) << printable(text);
    EXPECT_EQ(*again, *parsed) << printable(text);
    EXPECT_EQ(dump(*again), dump(*parsed)) << printable(text);
  }
  EXPECT_GT(accepted, 1000);
}

TEST(PointerToken, EscapesAsRfc6901) {
  EXPECT_EQ(pointer_token("a/b~c"), "a~1b~0c");
  EXPECT_EQ(pointer_token("~1"), "~01");
}

TEST(JsonObject, ReadsWhatItIsAskedFor) {
  const Json value = {{"text", "t"},         {"flag", true},
                      {"negative", -1},      {"large", UINT64_MAX},
                      {"none", nullptr},     {"texts", {"a", "b"}},
                      {"map", {{"k", "v"}}}, {"list", {{{"x", 1}}, {{"x", 2}}}}};
  auto object = JsonObject::of(value, "/at").value();
  EXPECT_EQ(object.get<std::string>("text").value(), "t");
  EXPECT_EQ(object.get<bool>("flag").value(), true);
  EXPECT_EQ(object.get<std::int64_t>("negative").value(), -1);
  EXPECT_EQ(object.get<std::uint64_t>("large").value(), UINT64_MAX);
  EXPECT_EQ(object.get<std::vector<std::string>>("texts").value(),
            (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(object.string_map("map")->at(0).second, "v");
  EXPECT_EQ(object.objects("list")->at(1).get<std::int64_t>("x").value(), 2);
  EXPECT_EQ(object.objects("list")->at(1).pointer(), "/at/list/1");
  EXPECT_FALSE(object.has("none"));
  EXPECT_EQ(object.find<bool>("none").value(), std::nullopt);
  EXPECT_EQ(object.get_or<bool>("absent", true).value(), true);
  EXPECT_TRUE(object.objects("absent")->empty());
  EXPECT_TRUE(object.done());
}

TEST(JsonObject, RefusesOtherTypesAndNamesThePlace) {
  const Json value = {{"a/b", 1},          {"large", UINT64_MAX}, {"negative", -1}, {"float", 1.5},
                      {"mixed", {"a", 1}}, {"map", {{"k", 1}}},   {"list", {1}}};
  auto object = JsonObject::of(value, "/at").value();
  const auto expect = [](const auto& result, const char* rule, const char* pointer) {
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().rule, rule);
    EXPECT_EQ(result.error().pointer, pointer);
  };
  expect(object.get<std::string>("a/b"), "json.type", "/at/a~1b");
  expect(object.get<bool>("a/b"), "json.type", "/at/a~1b");
  expect(object.get<std::int64_t>("large"), "json.type", "/at/large");
  expect(object.get<std::int64_t>("float"), "json.type", "/at/float");
  expect(object.get<std::uint64_t>("negative"), "json.type", "/at/negative");
  expect(object.get<std::vector<std::string>>("mixed"), "json.type", "/at/mixed/1");
  expect(object.string_map("map"), "json.type", "/at/map/k");
  expect(object.objects("list"), "json.type", "/at/list/0");
  expect(object.object("mixed"), "json.type", "/at/mixed");
  expect(object.get<bool>("absent"), "json.missing-key", "/at/absent");
  expect(object.object("absent"), "json.missing-key", "/at/absent");
  expect(JsonObject::of(Json::array(), "/x"), "json.type", "/x");
}

TEST(JsonObject, DoneNamesTheKeyNobodyAskedFor) {
  const Json value = {{"known", 1}, {"extra", 2}};
  auto object = JsonObject::of(value).value();
  ASSERT_TRUE(object.get<std::int64_t>("known"));
  const Status done = object.done();
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().rule, "json.unknown-key");
  EXPECT_EQ(done.error().pointer, "/extra");
}

}  // namespace
}  // namespace casemate
