#include "shim/run/lifecycle.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <random>

#include "tests/unit/base/outcome.h"

namespace casemate::run {
namespace {

TEST(ParseSignal, Names) {
  EXPECT_EQ(parse_signal("TERM").value(), SIGTERM);
  EXPECT_EQ(parse_signal("SIGTERM").value(), SIGTERM);
  EXPECT_EQ(parse_signal("KILL").value(), SIGKILL);
  EXPECT_EQ(parse_signal("SIGUSR1").value(), SIGUSR1);
  EXPECT_EQ(parse_signal("SIGWINCH").value(), SIGWINCH);
}

TEST(ParseSignal, EveryNameOfTheKernel) {
  int names = 0;
  for (int number = 1; number < NSIG; ++number) {
    const char* name = ::sigabbrev_np(number);
    if (name == nullptr) continue;
    ++names;
    EXPECT_EQ(parse_signal(name).value_or(0), number) << name;
    EXPECT_EQ(parse_signal("SIG" + std::string(name)).value_or(0), number) << name;
  }
  EXPECT_GE(names, 31);
}

TEST(ParseSignal, Numbers) {
  EXPECT_EQ(parse_signal("9").value(), 9);
  EXPECT_EQ(parse_signal("1").value(), 1);
  EXPECT_EQ(parse_signal(std::to_string(SIGRTMIN)).value(), SIGRTMIN);
  EXPECT_EQ(parse_signal(std::to_string(SIGRTMAX)).value(), SIGRTMAX);
}

TEST(ParseSignal, CapitalsDoNotMatterAndRealTimeOnesCount) {
  EXPECT_EQ(parse_signal("term").value(), SIGTERM);
  EXPECT_EQ(parse_signal("sigKill").value(), SIGKILL);
  EXPECT_EQ(parse_signal("io").value(), SIGIO);
  EXPECT_EQ(parse_signal("SIGIOT").value(), SIGABRT);
  EXPECT_EQ(parse_signal("RTMIN").value(), SIGRTMIN);
  EXPECT_EQ(parse_signal("rtmin+3").value(), SIGRTMIN + 3);
  EXPECT_EQ(parse_signal("SIGRTMIN+30").value(), SIGRTMAX);
  EXPECT_EQ(parse_signal("SIGRTMAX").value(), SIGRTMAX);
  EXPECT_EQ(parse_signal("sigrtmax-30").value(), SIGRTMIN);
  for (const char* text : {"RTMIN+31", "RTMAX-31", "RTMIN-1", "RTMAX+1", "RTMIN+", "RTMIN+-1",
                           "RTMIN++1", "RTMIN+99999999999", "RTMIN+1 ", "RTMINX", "RTMI"})
    EXPECT_EQ(rule_of(parse_signal(text)), "signal.name") << text;
}

// kill(2) with 0 or a negative number means something else altogether.
TEST(ParseSignal, Nonsense) {
  for (const char* text :
       {"", "0", "-9", "-1", "65", "99999999999", "9 ", " 9", "+9", "9x", "0x9", "SIG", "BEER",
        "SIGSIGTERM", "TERM ", "SIGTERM\n", "SIG9", "TERMX", "TER"}) {
    const auto refused = parse_signal(text);
    EXPECT_EQ(rule_of(refused), "signal.name") << text;
  }
  EXPECT_EQ(rule_of(parse_signal(std::string("9\0", 2))), "signal.name");
}

TEST(ParseSignal, RandomTextIsASignalOrRefused) {
  std::mt19937 random(13);
  for (int round = 0; round < 5000; ++round) {
    std::string text;
    for (auto i = random() % 6; i > 0; --i) text += "SIGTERMK0129-+ "[random() % 15];
    const auto number = parse_signal(text);
    if (number)
      EXPECT_TRUE(*number > 0 && *number <= SIGRTMAX) << text;
    else
      EXPECT_EQ(number.error().rule, "signal.name") << text;
  }
}

}  // namespace
}  // namespace casemate::run
