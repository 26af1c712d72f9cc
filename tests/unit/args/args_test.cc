#include "shim/args/args.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/unit/base/outcome.h"

namespace casemate {
namespace {

using Words = std::vector<std::string>;

constexpr OptionSpec kKnown[] = {
    {"--bundle", 'b', true},
    {"--annotation", 0, true},
    {"--force", 'f', false},
    {"--detach", 0, false},
};

Result<Args> parse(const Words& words) {
  return Args::parse(words, kKnown);
}

Args parsed(const Words& words) {
  auto args = parse(words);
  EXPECT_TRUE(args) << args.error().message();
  return args.value_or(Args{});
}

TEST(Args, EveryWayToWriteAnOption) {
  for (const Words& words :
       {Words{"--bundle", "/b", "id"}, Words{"--bundle=/b", "id"}, Words{"-b", "/b", "id"},
        Words{"-b=/b", "id"}, Words{"-bundle", "/b", "id"}, Words{"-bundle=/b", "id"}}) {
    const Args args = parsed(words);
    EXPECT_EQ(args.value("--bundle"), "/b") << words[0];
    EXPECT_EQ(args.positional(), Words{"id"}) << words[0];
  }
}

TEST(Args, OptionsEndAtTheFirstWord) {
  const Args args = parsed({"--force", "id", "--detach", "-x"});
  EXPECT_TRUE(args.has("--force"));
  EXPECT_FALSE(args.has("--detach"));
  EXPECT_EQ(args.positional(), (Words{"id", "--detach", "-x"}));
}

TEST(Args, OptionsEndAtTheDashes) {
  const Args args = parsed({"--force", "--", "--detach", "--"});
  EXPECT_FALSE(args.has("--detach"));
  EXPECT_EQ(args.positional(), (Words{"--detach", "--"}));
}

TEST(Args, ADashIsAWord) {
  EXPECT_EQ(parsed({"-", "--force"}).positional(), (Words{"-", "--force"}));
}

TEST(Args, NothingAtAll) {
  const Args args = parsed({});
  EXPECT_TRUE(args.positional().empty());
  EXPECT_FALSE(args.has("--bundle"));
  EXPECT_EQ(args.value("--bundle", "."), ".");
  EXPECT_TRUE(args.values("--bundle").empty());
}

TEST(Args, ValuesMayLookLikeOptions) {
  const Args args = parsed({"--bundle", "--force", "--annotation=a=b"});
  EXPECT_EQ(args.value("--bundle"), "--force");
  EXPECT_FALSE(args.has("--force"));
  EXPECT_EQ(args.value("--annotation"), "a=b");
}

TEST(Args, RepeatedOptionsKeepTheirOrderAndTheLastCounts) {
  const Args args = parsed({"--annotation", "a", "--annotation=b", "--annotation", ""});
  EXPECT_EQ(args.values("--annotation"), (Words{"a", "b", ""}));
  EXPECT_EQ(args.value("--annotation", "x"), "");
  EXPECT_EQ(parsed({"-b", "1", "--bundle", "2"}).value("--bundle"), "2");
}

TEST(Args, Switches) {
  EXPECT_TRUE(parsed({"--force"}).has("--force"));
  EXPECT_TRUE(parsed({"-f"}).has("--force"));
  EXPECT_TRUE(parsed({"--force=true"}).has("--force"));
  EXPECT_FALSE(parsed({"--force=false"}).has("--force"));
}

TEST(Args, WhatIsNotKnownIsRefused) {
  for (const Words& words : {Words{"--bundles", "x"}, Words{"--bund", "x"}, Words{"-x"},
                             Words{"---force"}, Words{"--=x"}, Words{"-="}, Words{"-fb", "x"},
                             Words{"--b", "x"}, Words{"--Force"}, Words{"--force", "--unknown"}})
    EXPECT_EQ(rule_of(parse(words)), "cli.option") << words.back();
}

TEST(Args, MissingAndSuperfluousValues) {
  EXPECT_EQ(rule_of(parse({"--bundle"})), "cli.option");
  EXPECT_EQ(rule_of(parse({"--force", "-b"})), "cli.option");
  for (const char* word : {"--force=yes", "--force=", "-f=1"})
    EXPECT_EQ(rule_of(parse({word})), "cli.option") << word;
}

TEST(Args, ControlCharactersDoNotReachTheTerminal) {
  const auto refused = parse({"--\x1b[2J\n"});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().what.find('\x1b'), std::string::npos);
}

TEST(Args, Numbers) {
  const auto number = [](const std::string& text) {
    return parsed({"--bundle", text}).number("--bundle", 5, -1, 100);
  };
  EXPECT_EQ(parsed({}).number("--bundle", 5, 0, 1).value(), 5);
  EXPECT_EQ(number("-1").value(), -1);
  EXPECT_EQ(number("100").value(), 100);
  EXPECT_EQ(number("007").value(), 7);
  for (const char* text :
       {"101", "-2", "", "1 ", " 1", "1x", "0x1", "+1", "1.0", "99999999999", "--1"})
    EXPECT_EQ(rule_of(number(text)), "cli.number") << text;
}

// Random words: a success accounts for every word, and what stands behind the first positional
// argument is untouched.
TEST(Args, RandomWords) {
  constexpr const char* kWords[] = {"--bundle", "-b",  "--force", "-f",        "--", "-", "id",
                                    "",         "--x", "-b=1",    "--force=x", "=",  "-="};
  std::mt19937 random(11);
  int successes = 0;
  for (int round = 0; round < 5000; ++round) {
    Words words;
    for (auto i = random() % 6; i > 0; --i)
      words.emplace_back(kWords[random() % std::size(kWords)]);
    const auto args = parse(words);
    if (!args) {
      EXPECT_EQ(args.error().rule, "cli.option");
      continue;
    }
    ++successes;
    const auto& rest = args->positional();
    ASSERT_LE(rest.size(), words.size());
    EXPECT_TRUE(std::equal(rest.rbegin(), rest.rend(), words.rbegin()));
    const std::size_t taken = words.size() - rest.size();
    const bool dashes = taken > 0 && words[taken - 1] == "--";
    const bool plain = rest.empty() || rest[0].size() < 2 || rest[0][0] != '-';
    EXPECT_TRUE(plain || dashes) << rest[0];
  }
  EXPECT_GT(successes, 100);
}

}  // namespace
}  // namespace casemate
