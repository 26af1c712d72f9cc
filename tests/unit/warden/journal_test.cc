#include "shim/warden/journal.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/unit/warden/harness.h"

namespace casemate::warden {
namespace {

class JournalTest : public ::testing::Test {
 protected:
  void SetUp() override { dir_.reset(::open(folder_.path().c_str(), O_RDONLY | O_DIRECTORY)); }
  std::string text() const { return testing::slurp(folder_.path() + "/journal"); }
  void write(const std::string& text) const {
    std::ofstream(folder_.path() + "/journal", std::ios::binary) << text;
  }

  sys::RealKernel kernel_;
  testing::TemporaryFolder folder_;
  UniqueFd dir_;
};

TEST_F(JournalTest, AnAbsentJournalIsEmpty) {
  EXPECT_TRUE(read_journal(kernel_, dir_.get())->empty());
  EXPECT_EQ(*journal_state(kernel_, dir_.get()), State::fresh);
}

TEST_F(JournalTest, StatesAndIntentsComeBackInOrder) {
  auto journal = Journal::open(kernel_, dir_.get());
  ASSERT_TRUE(journal);
  ASSERT_TRUE(journal->enter(State::fresh));
  ASSERT_TRUE(journal->intent("cgroup", {{"path", "/a\nb"}}));
  ASSERT_TRUE(journal->enter(State::verified));
  const auto entries = read_journal(kernel_, dir_.get());
  ASSERT_TRUE(entries);
  ASSERT_EQ(entries->size(), 3u);
  EXPECT_EQ((*entries)[1].intent, "cgroup");
  EXPECT_EQ((*entries)[1].detail.at("path"), "/a\nb");
  EXPECT_EQ((*entries)[2].state, State::verified);
  EXPECT_EQ((*entries)[2].seq, 3u);
  EXPECT_EQ(*journal_state(kernel_, dir_.get()), State::verified);
}

TEST_F(JournalTest, ForbiddenTransitionsAreRefusedAndRepeatsAreNothing) {
  auto journal = Journal::open(kernel_, dir_.get());
  ASSERT_TRUE(journal->enter(State::fresh));
  EXPECT_EQ(journal->enter(State::running).error().rule, "journal.transition");
  ASSERT_TRUE(journal->enter(State::stopped));
  ASSERT_TRUE(journal->enter(State::stopped));
  EXPECT_EQ(journal->enter(State::fresh).error().rule, "journal.transition");
  EXPECT_EQ(read_journal(kernel_, dir_.get())->size(), 2u);
}

TEST_F(JournalTest, SeveralWritersShareOneSequence) {
  auto first = Journal::open(kernel_, dir_.get());
  auto second = Journal::open(kernel_, dir_.get());
  ASSERT_TRUE(first->enter(State::fresh));
  ASSERT_TRUE(second->intent("mount"));
  ASSERT_TRUE(first->enter(State::verified));
  EXPECT_EQ(read_journal(kernel_, dir_.get())->size(), 3u);
}

TEST_F(JournalTest, ATornLastLineIsPassedOverAndCutOffByTheNextWriter) {
  auto journal = Journal::open(kernel_, dir_.get());
  ASSERT_TRUE(journal->enter(State::fresh));
  const std::string whole = text();
  for (std::size_t cut = 1; cut < whole.size(); ++cut) {
    const std::string torn = whole + R"({"detail":{},"seq":2,"state":"VERIFIED","time":"20)";
    write(torn.substr(0, whole.size() + cut % (torn.size() - whole.size())));
    EXPECT_EQ(read_journal(kernel_, dir_.get())->size(), 1u);
  }
  ASSERT_TRUE(Journal::open(kernel_, dir_.get())->enter(State::verified));
  EXPECT_EQ(read_journal(kernel_, dir_.get())->size(), 2u);
  EXPECT_TRUE(text().starts_with(whole));
}

TEST_F(JournalTest, DamageElsewhereIsAnError) {
  auto journal = Journal::open(kernel_, dir_.get());
  for (const State state : {State::fresh, State::verified, State::staged})
    ASSERT_TRUE(journal->enter(state));
  const std::string whole = text();
  const auto second = whole.find('\n') + 1;
  const auto third = whole.find('\n', second) + 1;
  write(whole.substr(0, second) + whole.substr(third));  // a line is missing
  EXPECT_EQ(read_journal(kernel_, dir_.get()).error().rule, "journal.broken");
  write(whole.substr(0, second - 5) + "\n" + whole.substr(second));  // torn in the middle
  EXPECT_EQ(read_journal(kernel_, dir_.get()).error().rule, "journal.broken");
  EXPECT_EQ(Journal::open(kernel_, dir_.get())->enter(State::created).error().rule,
            "journal.broken");
}

TEST_F(JournalTest, ABrokenOneIsKeptAndANewOneBegins) {
  EXPECT_TRUE(set_aside_if_broken(kernel_, dir_.get())) << "there is none";
  ASSERT_TRUE(Journal::open(kernel_, dir_.get())->enter(State::fresh));
  const std::string good = text();
  EXPECT_TRUE(set_aside_if_broken(kernel_, dir_.get()));
  EXPECT_EQ(text(), good);
  write("broken\n");
  EXPECT_EQ(set_aside_if_broken(kernel_, dir_.get()).error().rule, "journal.broken");
  EXPECT_TRUE(Journal::open(kernel_, dir_.get())->enter(State::stopped));
  EXPECT_EQ(*journal_state(kernel_, dir_.get()), State::stopped);
  EXPECT_EQ(::faccessat(dir_.get(), "journal.broken", F_OK, 0), 0);
}

TEST(JournalText, DetailsOfAnotherTypeAreRefused) {
  const auto with = [](const std::string& detail) {
    return parse_journal(R"({"seq":1,"time":"t","state":"NEW","detail":)" + detail + "}\n");
  };
  EXPECT_TRUE(with(R"({"a":1})"));
  for (const char* detail : {"[]", "\"text\"", "1"})
    EXPECT_EQ(with(detail).error().rule, "journal.broken") << detail;
}

TEST(JournalText, MutationsNeverCrashAndNeverInventAState) {
  const std::string good =
      "{\"seq\":1,\"state\":\"NEW\",\"time\":\"t\"}\n{\"intent\":\"x\",\"seq\":2,\"time\":\"t\"}\n";
  std::mt19937 random(7);
  for (int round = 0; round < 5000; ++round) {
    std::string text = good;
    for (int change = 0; change < 3; ++change) {
      const std::size_t at = random() % text.size();
      if (random() % 3 == 0)
        text.erase(at, 1);
      else
        text[at] = static_cast<char>(random());
    }
    const auto entries = parse_journal(text);
    if (!entries) {
      EXPECT_EQ(entries.error().rule, "journal.broken");
      continue;
    }
    for (std::size_t i = 0; i < entries->size(); ++i) EXPECT_EQ((*entries)[i].seq, i + 1);
  }
}

}  // namespace
}  // namespace casemate::warden
