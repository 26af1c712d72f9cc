#include "shim/run/init_process.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <random>

#include "shim/sys/helper.h"
#include "shim/sys/real_kernel.h"
#include "tests/unit/base/outcome.h"

namespace casemate::run {
namespace {

TEST(ParseAttached, Pairs) {
  const auto attached = parse_attached("[[3,41],[3,42],[7,0],[0,18446744073709551615]]");
  ASSERT_TRUE(attached) << attached.error().message();
  ASSERT_EQ(attached->size(), 4u);
  EXPECT_EQ((*attached)[0].step, 3u);
  EXPECT_EQ((*attached)[0].mount_id, 41u);
  EXPECT_EQ((*attached)[1].mount_id, 42u);
  EXPECT_EQ((*attached)[2].mount_id, 0u);
  EXPECT_EQ((*attached)[3].mount_id, ~std::uint64_t{0});
  EXPECT_TRUE(parse_attached("[]").value().empty());
}

TEST(ParseAttached, Malformed) {
  for (const char* text :
       {"[1]", "[[1]]", "[[1,2,3]]", "[[1,-2]]", "[[-1,2]]", "[[1,2.5]]", R"([["1",2]])",
        "[[1,null]]", "[[1,2],3]", "[{}]", "null", "{}", "7", R"({"a":[1,2]})", R"("text")"})
    EXPECT_EQ(rule_of(parse_attached(text)), "init.message") << text;
  for (const char* text : {"", "[", "[[1,2]", "[[1,2]]x", "[[1,18446744073709551616]]x"})
    EXPECT_FALSE(parse_attached(text)) << text;
}

TEST(ParseAttached, RandomMutations) {
  const std::string whole = "[[3,41],[3,42],[7,0]]";
  std::mt19937 random(17);
  for (int round = 0; round < 5000; ++round) {
    std::string text = whole.substr(0, random() % (whole.size() + 1));
    for (auto i = random() % 4; i > 0 && !text.empty(); --i)
      text[random() % text.size()] = "[],0123.-\"{}:"[random() % 13];
    const auto attached = parse_attached(text);
    if (attached) continue;
    const std::string& rule = attached.error().rule;
    EXPECT_TRUE(rule == "init.message" || rule.starts_with("json.")) << rule;
  }
}

class FromInit : public testing::Test {
 protected:
  Result<InitMessage> received(const std::string& message) {
    auto pair = kernel.socketpair(SOCK_SEQPACKET);
    if (!message.empty()) {
      EXPECT_TRUE(kernel.write(pair->second.get(), message));
    }
    pair->second.reset();
    return receive_from_init(kernel, pair->first.get(), std::chrono::seconds(30));
  }
  sys::RealKernel kernel;
};

TEST_F(FromInit, Messages) {
  const auto attached = received("A[[1,2]]");
  ASSERT_TRUE(attached) << attached.error().message();
  EXPECT_EQ(attached->kind, 'A');
  EXPECT_EQ(attached->text, "[[1,2]]");
  const auto ready = received("R");
  ASSERT_TRUE(ready);
  EXPECT_EQ(ready->kind, 'R');
  EXPECT_EQ(ready->text, "");
}

TEST_F(FromInit, ItsErrorsAreOurs) {
  const Error error{.cls = ErrorClass::denied,
                    .rule = "mount.covers",
                    .what = "what",
                    .hint = "hint",
                    .pointer = "/mounts",
                    .sys_errno = 13};
  const auto failed = received("E" + dump(sys::error_to_json(error)));
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().rule, "mount.covers");
  EXPECT_EQ(failed.error().cls, ErrorClass::denied);
  EXPECT_EQ(failed.error().pointer, "/mounts");
  EXPECT_EQ(failed.error().sys_errno, 13);
}

// A hook or a mount that never answers ends the create, not the patience of its caller.
TEST_F(FromInit, ItsSilenceHasAnEnd) {
  const auto pair = kernel.socketpair(SOCK_SEQPACKET);
  EXPECT_EQ(rule_of(receive_from_init(kernel, pair->first.get(), std::chrono::milliseconds(50))),
            "init.deadline");
}

TEST_F(FromInit, ItsDeathAndItsNonsenseAreErrors) {
  EXPECT_EQ(rule_of(received("")), "init.died");
  EXPECT_EQ(rule_of(received("E{}")), "helper.reply");
  EXPECT_FALSE(received("E"));
  EXPECT_FALSE(received("E{"));
}

}  // namespace
}  // namespace casemate::run
