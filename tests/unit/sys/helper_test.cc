// The helpers are this test program itself: started by a link whose name says what to do, it does
// that instead of running tests.
#include "shim/sys/helper.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <map>

#include "shim/base/clock.h"
#include "shim/sys/frame.h"
#include "shim/sys/real_kernel.h"
#include "tests/unit/base/outcome.h"

namespace casemate::sys {
namespace {

using std::chrono::milliseconds;
constexpr milliseconds kLong{5000};
constexpr std::string_view kPrefix = "casemate-test-helper-";

// ---- the helper side ----

Result<HelperMessage> echo(HelperMessage request) {
  return request;
}

// What the helper was given besides the socket.
Result<HelperMessage> describe(HelperMessage) {
  Json facts = {{"environment", Json::array()}, {"descriptors", Json::array()}};
  for (char** entry = environ; *entry != nullptr; ++entry) facts["environment"].push_back(*entry);
  for (int fd = 0; fd < 1024; ++fd)
    if (::fcntl(fd, F_GETFD) != -1) facts["descriptors"].push_back(fd);
  for (int fd = 0; fd < 3; ++fd) {
    char target[64] = {};
    const std::string link = "/proc/self/fd/" + std::to_string(fd);
    if (::readlink(link.c_str(), target, sizeof target - 1) < 0) target[0] = 0;
    facts["standard"].push_back(target);
  }
  int death_signal = 0;
  ::prctl(PR_GET_PDEATHSIG, &death_signal);
  sigset_t blocked;
  ::sigprocmask(SIG_BLOCK, nullptr, &blocked);
  struct sigaction pipe = {};
  ::sigaction(SIGPIPE, nullptr, &pipe);
  facts["death_signal"] = death_signal;
  facts["blocked"] = ::sigismember(&blocked, SIGTERM);
  facts["sigpipe_default"] = pipe.sa_handler == SIG_DFL;
  facts["cwd"] = std::filesystem::current_path().string();
  return HelperMessage{.body = std::move(facts)};
}

Result<HelperMessage> refuse(HelperMessage request) {
  return denied("test.refused", "no\n" + request.body.dump(), "ask otherwise", "/a~1b");
}

Result<HelperMessage> answer_too_much(HelperMessage) {
  return HelperMessage{.body = std::string(kHelperMessageLimit + 1, 'x')};
}

// Tells its pid through the descriptor it was given, and stays.
Result<HelperMessage> hold(HelperMessage request) {
  const pid_t pid = ::getpid();
  const bool told = ::write(request.fds.at(0).get(), &pid, sizeof pid) == sizeof pid;
  while (told) ::pause();
  return internal("test.hold", "not told");
}

Result<HelperMessage> die(HelperMessage) {
  ::raise(SIGKILL);
  return internal("test.die", "still here");
}

// Hands its request over twice, and replies how the second time went.
Result<HelperMessage> give_twice(HelperMessage request, const HandOver& hand_over) {
  std::vector<int> fds;
  for (const UniqueFd& fd : request.fds) fds.push_back(fd.get());
  TRY(hand_over(request.body, fds));
  const Status second = hand_over("again", {});
  return HelperMessage{.body = second ? "taken" : second.error().rule};
}

int reply_raw(const char* text) {
  return send_frame(3, text, {}, kNoDeadline) ? 0 : 1;
}

int serve_then(int (*after)()) {
  const int status = serve_helper(echo);
  return status == 0 ? after() : status;
}

int stay() {
  while (true) ::pause();
}

// A function, because it is asked for before static objects are made.
const std::map<std::string_view, int (*)()>& helpers() {
  static const std::map<std::string_view, int (*)()> table = {
      {"echo", [] { return serve_helper(echo); }},
      {"describe", [] { return serve_helper(describe); }},
      {"refuse", [] { return serve_helper(refuse); }},
      {"too-much", [] { return serve_helper(answer_too_much); }},
      {"hold", [] { return serve_helper(hold); }},
      {"die", [] { return serve_helper(die); }},
      {"give-twice", [] { return serve_helper(give_twice); }},
      {"die-at-once", [] { return 9; }},
      {"hang", stay},
      {"echo-then-hang", [] { return serve_then(stay); }},
      {"echo-then-fail", [] { return serve_then([] { return 5; }); }},
      {"say-array", [] { return reply_raw("[]"); }},
      {"say-both", [] { return reply_raw(R"({"ok":{},"error":{}})"); }},
      {"say-neither", [] { return reply_raw(R"({"fine":{}})"); }},
      {"say-twice", [] { return reply_raw(R"({"ok":1,"ok":2})"); }},
      {"say-bad-error", [] { return reply_raw(R"({"error":{"class":"denied"}})"); }},
      {"say-garbage", [] { return static_cast<int>(::write(3, "garbage", 7) - 7); }},
  };
  return table;
}

// Before main: gtest has not begun.
__attribute__((constructor)) void become_helper(int argc, char** argv, char**) {
  if (argc != 1) return;
  const std::string name = std::filesystem::path(argv[0]).filename();
  if (!name.starts_with(kPrefix)) return;
  const std::string_view what = std::string_view(name).substr(kPrefix.size());
  const auto helper = helpers().find(what);
  ::_exit(helper == helpers().end() ? 99 : helper->second());
}

// ---- the runtime side ----

class HelperTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_NE(::mkdtemp(directory_.data()), nullptr); }
  void TearDown() override {
    std::filesystem::remove_all(directory_);
    // Every child was reaped.
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
    EXPECT_EQ(errno, ECHILD);
  }
  std::string program(const std::string& what) {
    const std::string path = directory_ + "/" + std::string(kPrefix) + what;
    std::filesystem::create_symlink(std::filesystem::read_symlink("/proc/self/exe"), path);
    return path;
  }
  Result<HelperMessage> call(const std::string& what, milliseconds deadline = kLong,
                             const Json& request = Json::object()) {
    return call_helper(program(what), request, {}, {.deadline = deadline});
  }
  std::string rule_of_call(const std::string& what, milliseconds deadline = kLong) {
    return rule_of(call(what, deadline));
  }

  std::string directory_ = ::testing::TempDir() + "casemate-XXXXXX";
};

TEST_F(HelperTest, RequestAndReplyCarryJsonAndDescriptors) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd reader(ends[0]);
  const UniqueFd writer(ends[1]);
  const Json request = {{"text", "a\nb\u00e9"}, {"list", {1, 2, Json::object()}}};
  const int fds[] = {writer.get(), reader.get()};
  const auto reply = call_helper(program("echo"), request, fds, {.deadline = kLong});
  ASSERT_TRUE(reply) << reply.error().message();
  EXPECT_EQ(reply->body, request);
  ASSERT_EQ(reply->fds.size(), 2U);
  // The writer that came back leads to our reader.
  ASSERT_EQ(::write(reply->fds[0].get(), "x", 1), 1);
  char got = 0;
  EXPECT_EQ(::read(reader.get(), &got, 1), 1);
  EXPECT_EQ(got, 'x');
}

TEST_F(HelperTest, BodiesOfAnyKindAndSizeComeBack) {
  const std::string path = program("echo");
  for (const Json& body :
       {Json(nullptr), Json(5), Json::array({"ok", 1}), Json({{"big", std::string(300000, 'b')}}),
        Json(std::string(kHelperMessageLimit - 100, 'm'))}) {
    const auto reply = call_helper(path, body, {}, {.deadline = kLong});
    ASSERT_TRUE(reply) << reply.error().message();
    EXPECT_TRUE(reply->body == body);
  }
}

TEST_F(HelperTest, SizesBeyondTheLimitAreRefused) {
  const Json body = std::string(kHelperMessageLimit, 'x');
  EXPECT_EQ(rule_of(call("echo", kLong, body)), "helper.size");
  EXPECT_EQ(rule_of_call("too-much"), "helper.size");
  const std::vector<int> fds(kHelperDescriptorLimit + 1, 0);
  EXPECT_EQ(rule_of(call_helper(program("describe"), {}, fds, {.deadline = kLong})), "helper.size");
}

// CVE-2024-21626: nothing of the caller's is inherited.
TEST_F(HelperTest, InheritsNothing) {
  const UniqueFd leaky(::open("/", O_PATH | O_DIRECTORY));  // not close-on-exec
  ASSERT_EQ(::setenv("LD_CASEMATE_TEST", "leak", 1), 0);
  const auto before = ::signal(SIGPIPE, SIG_IGN);
  const auto reply = call("describe");
  ::signal(SIGPIPE, before);
  ASSERT_TRUE(reply) << reply.error().message();
  const Json& facts = reply->body;
  EXPECT_EQ(facts["environment"], Json::array());
  EXPECT_EQ(facts["descriptors"], Json({0, 1, 2, 3}));
  EXPECT_EQ(facts["standard"], Json({"/dev/null", "/dev/null", "/dev/null"}));
  EXPECT_EQ(facts["death_signal"], SIGKILL);
  EXPECT_EQ(facts["blocked"], 0);
  EXPECT_EQ(facts["sigpipe_default"], true);
  EXPECT_EQ(facts["cwd"], "/");
}

TEST_F(HelperTest, ErrorsArriveWhole) {
  const auto reply = call("refuse", kLong, 7);
  ASSERT_FALSE(reply);
  const Error& error = reply.error();
  EXPECT_EQ(error.cls, ErrorClass::denied);
  EXPECT_EQ(error.rule, "test.refused");
  EXPECT_EQ(error.what, "no\\n7");
  EXPECT_EQ(error.hint, "ask otherwise");
  EXPECT_EQ(error.pointer, "/a~1b");
}

TEST_F(HelperTest, AHelperThatDiesIsNoticed) {
  EXPECT_EQ(rule_of_call("die"), "helper.died");
  EXPECT_EQ(rule_of_call("die-at-once"), "helper.died");
  // Its request does not fit the socket's buffer.
  const Json large = std::string(900000, 'x');
  EXPECT_EQ(rule_of(call_helper(directory_ + "/casemate-test-helper-die-at-once", large, {},
                                {.deadline = kLong})),
            "helper.died");
}

TEST_F(HelperTest, AHelperThatHangsIsKilledInTime) {
  const std::int64_t start = monotonic_ns();
  EXPECT_EQ(rule_of_call("hang", milliseconds(200)), "helper.deadline");
  EXPECT_EQ(rule_of_call("echo-then-hang", milliseconds(200)), "helper.deadline");
  const std::int64_t took = monotonic_ns() - start;
  EXPECT_GE(took, 400'000'000);
  EXPECT_LT(took, 3'000'000'000);
}

TEST_F(HelperTest, AGoodReplyBeforeAFailureDoesNotCount) {
  EXPECT_EQ(rule_of_call("echo-then-fail"), "helper.exit");
}

TEST_F(HelperTest, RepliesThatMakeNoSenseAreRefused) {
  for (const char* what : {"say-array", "say-both", "say-neither", "say-twice", "say-bad-error"})
    EXPECT_EQ(rule_of_call(what), "helper.reply") << what;
  EXPECT_EQ(rule_of_call("say-garbage"), "helper.frame");
}

TEST_F(HelperTest, HandsOverBeforeItReplies) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd reader(ends[0]);
  const UniqueFd writer(ends[1]);
  const int fds[] = {writer.get()};
  const std::string path = program("give-twice");
  std::vector<HelperMessage> given;
  HelperOptions options{.deadline = kLong, .take = [&](HelperMessage message) -> Status {
                          given.push_back(std::move(message));
                          return {};
                        }};
  const auto reply = call_helper(path, {{"a", 1}}, fds, options);
  ASSERT_TRUE(reply) << reply.error().message();
  EXPECT_EQ(reply->body, "taken");
  ASSERT_EQ(given.size(), 2u);
  EXPECT_EQ(given[0].body, Json({{"a", 1}}));
  ASSERT_EQ(given[0].fds.size(), 1u);
  EXPECT_EQ(::write(given[0].fds[0].get(), "x", 1), 1);
  EXPECT_EQ(given[1].body, "again");
}

// What nobody takes over ends the call, whatever the helper makes of it.
TEST_F(HelperTest, WhatIsNotTakenOverIsAnError) {
  const std::string path = program("give-twice");
  EXPECT_EQ(rule_of(call_helper(path, {}, {}, {.deadline = kLong})), "helper.reply");
  int times = 0;
  const auto take = [&](HelperMessage) -> Status {
    if (++times == 1) return {};
    return denied("test.full", "no room", "");
  };
  EXPECT_EQ(rule_of(call_helper(path, {}, {}, {.deadline = kLong, .take = take})), "test.full");
  EXPECT_EQ(times, 2);
}

// One that stays: its process lives as long as the object, and not a moment longer.
TEST_F(HelperTest, HeldItGivesOneThingAndStays) {
  {
    auto held = HeldHelper::start(program("give-twice"), {{"a", 1}}, {}, kLong);
    ASSERT_TRUE(held) << held.error().message();
    EXPECT_EQ(held->given(), Json({{"a", 1}}));
    const auto moved = std::move(*held);
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), 0) << "it lives";
    EXPECT_EQ(moved.given(), Json({{"a", 1}}));
  }
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD) << "it is gone and reaped";
}

TEST_F(HelperTest, HeldItCanRefuseDieAndHang) {
  const auto held = [&](const char* what, milliseconds deadline) {
    return rule_of(HeldHelper::start(program(what), {}, {}, deadline));
  };
  EXPECT_EQ(held("refuse", kLong), "test.refused");
  EXPECT_EQ(held("die", kLong), "helper.died");
  EXPECT_EQ(held("echo", kLong), "helper.reply") << "a reply and nothing given";
  EXPECT_EQ(held("hang", milliseconds(200)), "helper.deadline");
}

TEST_F(HelperTest, AControlGroupThatTakesNobodyIsAnError) {
  const UniqueFd unwritable(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const auto refused =
      call_helper(program("echo"), {}, {}, {.deadline = kLong, .cgroups = {unwritable.get()}});
  EXPECT_EQ(rule_of(refused), "helper.start");
  EXPECT_EQ(errno_of(refused), EBADF);
}

TEST_F(HelperTest, WhatCannotBeStartedIsAnError) {
  const auto absent = call_helper(directory_ + "/absent", {}, {}, {.deadline = kLong});
  ASSERT_FALSE(absent);
  EXPECT_EQ(rule_of(absent), "helper.start");
  EXPECT_EQ(errno_of(absent), ENOENT);
  EXPECT_EQ(rule_of(call_helper("relative", {}, {}, {.deadline = kLong})), "helper.start");
}

// A runtime that is killed takes its helper along: no process with keys stays.
TEST_F(HelperTest, DiesWithItsCaller) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  const std::string path = program("hold");
  const pid_t caller = ::fork();
  ASSERT_NE(caller, -1);
  if (caller == 0) {
    const int fds[] = {writer.get()};
    (void)call_helper(path, {}, fds, {.deadline = kLong * 4});
    ::_exit(0);
  }
  writer.reset();
  pid_t helper = 0;
  ASSERT_EQ(::read(reader.get(), &helper, sizeof helper), ssize_t{sizeof helper});
  ASSERT_EQ(::kill(caller, SIGKILL), 0);
  ASSERT_EQ(::waitpid(caller, nullptr, 0), caller);
  pollfd end = {.fd = reader.get(), .events = POLLIN};
  ASSERT_EQ(::poll(&end, 1, 5000), 1);  // the helper held the last writer
  char nothing = 0;
  EXPECT_EQ(::read(reader.get(), &nothing, 1), 0);
}

TEST(HelperErrors, SurviveTheJourney) {
  const Error error = {.cls = ErrorClass::unsupported,
                       .rule = "a.b",
                       .what = "what",
                       .hint = "hint",
                       .pointer = "/p",
                       .sys_errno = EIO};
  const Error back = error_from_json(error_to_json(error));
  EXPECT_EQ(back.message(), error.message());
  EXPECT_EQ(back.cls, error.cls);
  EXPECT_EQ(back.sys_errno, EIO);
}

TEST(HelperErrors, StaySmallAndParseable) {
  Error error = internal("r", std::string(3000000, '\0')).error();
  const std::string text = dump(error_to_json(error));
  EXPECT_LT(text.size(), kHelperMessageLimit);
  EXPECT_TRUE(parse_json(text));
}

TEST(HelperErrors, OtherShapesBecomeAnInternalError) {
  const Json good = error_to_json(denied("r", "w", "h").error());
  EXPECT_EQ(error_from_json(good).rule, "r");
  for (const auto& [key, value] : good.items()) {
    Json changed = good;
    changed.erase(key);
    EXPECT_EQ(error_from_json(changed).rule, "helper.reply") << key;
    changed[key] = Json::array();
    EXPECT_EQ(error_from_json(changed).rule, "helper.reply") << key;
  }
  Json changed = good;
  changed["more"] = 1;
  EXPECT_EQ(error_from_json(changed).rule, "helper.reply");
  changed = good;
  changed["class"] = "allowed";
  EXPECT_EQ(error_from_json(changed).rule, "helper.reply");
  changed = good;
  changed["errno"] = -1;
  EXPECT_EQ(error_from_json(changed).rule, "helper.reply");
  EXPECT_EQ(error_from_json(Json::array()).rule, "helper.reply");
}

}  // namespace
}  // namespace casemate::sys
