#include "shim/base/result.h"

#include <gtest/gtest.h>

#include "shim/base/json.h"

namespace casemate {
namespace {

Result<int> half(int number) {
  if (number % 2 != 0) return bad_input("test.odd", "an odd number", "give an even one", "/number");
  return number / 2;
}
Result<int> quarter(int number) {
  return half(TRY(half(number)));
}
Status check_even(int number) {
  TRY(half(number));
  return {};
}

TEST(Result, TryYieldsTheValueOrReturnsTheError) {
  EXPECT_EQ(quarter(8).value(), 2);
  EXPECT_EQ(quarter(6).error().rule, "test.odd");
  EXPECT_TRUE(check_even(2));
  EXPECT_EQ(check_even(3).error().rule, "test.odd");
}

TEST(Result, EachMakerSetsItsClass) {
  EXPECT_EQ(denied("r", "w", "h").error().exit_code(), 1);
  EXPECT_EQ(bad_input("r", "w").error().exit_code(), 2);
  EXPECT_EQ(internal("r", "w").error().exit_code(), 3);
  EXPECT_EQ(unsupported("r", "w").error().exit_code(), 4);
}

TEST(Result, MessageIsOneLineWithAllFacts) {
  const Error error = denied("test.rule", "a\nb", "do\x1b[1mthis", "/p\r").error();
  EXPECT_EQ(error.message(), "denied [test.rule]: a\\nb (at /p\\x0d); do\\x1b[1mthis");
}

TEST(Result, SystemErrorsKeepErrno) {
  errno = ENOENT;
  const Error error = sys_error("open \"x\"").error();
  EXPECT_EQ(error.sys_errno, ENOENT);
  EXPECT_EQ(error.rule, "system.call");
  EXPECT_EQ(error.message(), "internal [system.call]: open \"x\": No such file or directory");
}

TEST(Result, JsonLineSurvivesHostileText) {
  const std::string hostile = std::string("\xff\n\"") + '\0' + "}";
  const Error error = bad_input("test.rule", hostile, hostile, hostile).error();
  const std::string line = error.json("2026-01-02T03:04:05Z");
  EXPECT_EQ(line.find('\n'), std::string::npos);
  const auto parsed = parse_json(line);
  ASSERT_TRUE(parsed) << parsed.error().message();
  EXPECT_EQ(parsed->at("rule"), "test.rule");
  EXPECT_EQ(parsed->at("pointer"), "\\xff\\n\"\\x00}");
}

// A helper that was taken over may send any text as the rule of its error.
TEST(Result, AHostileRuleStaysInItsLine) {
  Error error = bad_input("a.b", "x").error();
  error.rule = "a\n[forged]";
  EXPECT_EQ(error.message().find('\n'), std::string::npos);
  EXPECT_EQ(parse_json(error.json("2026-01-02T03:04:05Z"))->value("rule", ""), "a\\n[forged]");
}

TEST(Result, ContextIsPutInFront) {
  Error error = internal("r", "inner").error();
  EXPECT_EQ(std::move(error).with_context("outer").what, "outer: inner");
}

TEST(Printable, EscapesEverythingThatIsNotPlainText) {
  EXPECT_EQ(printable("plain ~"), "plain ~");
  EXPECT_EQ(printable("a\nb\tc\x7f\xc3"), "a\\nb\\x09c\\x7f\\xc3");
}

}  // namespace
}  // namespace casemate
