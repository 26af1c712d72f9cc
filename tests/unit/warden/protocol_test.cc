#include "shim/warden/protocol.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <random>

#include "shim/sys/real_kernel.h"

namespace casemate::warden {
namespace {

using std::chrono::milliseconds;

TEST(Protocol, OpenAndHoldComeBackAsTheyWere) {
  const Open open{.id = "c1",
                  .root = "/run/x",
                  .evidence = {.audit = "/a", .receipts = "/r", .keys = "/k"},
                  .facts = {{"tenant", "acme"}}};
  const auto opened = parse_message(to_json(open));
  ASSERT_TRUE(opened) << opened.error().message();
  EXPECT_EQ(opened->op, Message::Op::open);
  EXPECT_EQ(to_json(opened->open), to_json(open));
  for (const char* what :
       {"upper", "dataset:digits", "tmpfs:/tmp", "cgroup", "cgroup-intent", "init"}) {
    const Hold hold{.what = what, .data = {{"pid", 3}}};
    const auto held = parse_message(to_json(hold));
    ASSERT_TRUE(held) << what;
    EXPECT_EQ(to_json(held->hold), to_json(hold));
  }
}

TEST(Protocol, StrangeMessagesAreRefused) {
  for (const Json& strange :
       {Json(), Json(3), Json::array(), Json::object(), Json({{"op", 1}}), Json({{"op", "no"}}),
        Json({{"op", "status"}, {"x", 1}}), Json({{"op", "wait"}, {"for", "RUNNING"}}),
        Json({{"op", "wait"}}), Json({{"op", "kill"}, {"signal", 65}}),
        Json({{"op", "kill"}, {"signal", -1}}), Json({{"op", "updated"}}),
        Json({{"op", "updated"}, {"plan", "sha256:" + std::string(64, 'G')}}),
        Json({{"op", "updated"}, {"plan", "sha256:" + std::string(64, 'a')}}),
        Json({{"op", "updated"},
              {"plan", "sha512:" + std::string(64, 'a')},
              {"profile", "sha256:" + std::string(64, 'a')},
              {"tainted", false}}),
        Json({{"op", "hold"}, {"what", "datasets"}}), Json({{"op", "open"}, {"id", "a"}})}) {
    const auto parsed = parse_message(strange);
    ASSERT_FALSE(parsed) << strange;
    EXPECT_EQ(parsed.error().cls, ErrorClass::bad_input) << strange;
  }
}

TEST(Protocol, MutatedMessagesNeverCrash) {
  const std::string good = dump(to_json(Open{.id = "c1", .root = "/r"}));
  std::mt19937 random(11);
  for (int round = 0; round < 5000; ++round) {
    std::string text = good;
    for (int change = 0; change < 2; ++change)
      text[random() % text.size()] = "{}[]\",:0aN\\"[random() % 11];
    const auto value = parse_json(text);
    if (value) (void)parse_message(*value);
  }
}

TEST(Protocol, ErrorsTravel) {
  const Error error = denied("a.rule", "what", "hint", "/pointer").error();
  const auto back = open_reply(error_reply(error));
  ASSERT_FALSE(back);
  EXPECT_EQ(back.error().rule, "a.rule");
  EXPECT_EQ(back.error().pointer, "/pointer");
  EXPECT_TRUE(open_reply(ok_reply()));
  for (const Json& strange : {Json(), Json::object(), Json({{"ok", false}}), Json({{"ok", 1}})})
    EXPECT_EQ(open_reply(strange).error().rule, "warden.reply");
}

TEST(Protocol, ADeadlineAndAnEndAreToldApart) {
  sys::RealKernel kernel;
  auto ends = kernel.socketpair(SOCK_SEQPACKET);
  EXPECT_EQ(receive(kernel, ends->first.get(), milliseconds(10)).error().rule, "warden.timeout");
  ASSERT_TRUE(send(kernel, ends->second.get(), ok_reply(), {}));
  ends->second.reset();
  EXPECT_TRUE(receive(kernel, ends->first.get(), milliseconds(10)));
  EXPECT_EQ(receive(kernel, ends->first.get(), milliseconds(10)).error().rule, "warden.gone");
  EXPECT_EQ(send(kernel, ends->first.get(), ok_reply(), {}).error().rule, "warden.gone");
}

TEST(Protocol, AMessageHasALimit) {
  sys::RealKernel kernel;
  auto ends = kernel.socketpair(SOCK_SEQPACKET);
  EXPECT_EQ(send(kernel, ends->first.get(), Json(std::string(kMaxMessage, 'x')), {}).error().rule,
            "warden.size");
  ASSERT_TRUE(send(kernel, ends->first.get(), Json(std::string(kMaxMessage - 2, 'x')), {}));
  EXPECT_TRUE(receive(kernel, ends->second.get(), milliseconds(10)));
}

TEST(Protocol, AProgramThatCannotRunIsAnError) {
  sys::RealKernel kernel;
  auto absent = WardenClient::spawn(kernel, "/nonexistent/warden", {});
  ASSERT_TRUE(absent);
  const UniqueFd directory(::open("/", O_PATH | O_CLOEXEC));
  // Whether its word comes before or after the question.
  ASSERT_TRUE(absent->open({}, directory.get()));
  const Status refused = absent->acknowledged();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().sys_errno, ENOENT) << refused.error().message();
  auto later = WardenClient::spawn(kernel, "/nonexistent/warden", {});
  ::usleep(20'000);
  ASSERT_TRUE(later->open({}, directory.get()));
  EXPECT_EQ(later->acknowledged().error().sys_errno, ENOENT);
  while (::waitpid(-1, nullptr, WNOHANG) > 0) continue;
  EXPECT_EQ(WardenClient::spawn(kernel, "warden", {}).error().rule, "warden.program");
}

}  // namespace
}  // namespace casemate::warden
