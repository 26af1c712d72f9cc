#include "shim/warden/machine.h"

#include <gtest/gtest.h>

#include <array>

namespace casemate::warden {
namespace {

constexpr std::array kAll = {State::fresh,   State::verified, State::staged, State::created,
                             State::running, State::stopped,  State::wiped,  State::deleted};

TEST(Machine, NamesGoBothWays) {
  for (const State state : kAll) EXPECT_EQ(state_from_string(to_string(state)), state);
  EXPECT_EQ(to_string(State::fresh), "NEW");
  EXPECT_EQ(state_from_string("new"), std::nullopt);
  EXPECT_EQ(state_from_string(""), std::nullopt);
}

TEST(Machine, TheWholeTableOfTransitions) {
  // Row: from; column: to. N V S C R stopped wiped deleted
  constexpr std::array<std::string_view, 8> kTable = {".x...x..", "..x..x..", "...x.x..",
                                                      "....xx..", ".....x..", "......x.",
                                                      ".......x", "........"};
  for (std::size_t from = 0; from < kAll.size(); ++from)
    for (std::size_t to = 0; to < kAll.size(); ++to)
      EXPECT_EQ(may_follow(kAll[from], kAll[to]), kTable[from][to] == 'x')
          << to_string(kAll[from]) << " -> " << to_string(kAll[to]);
}

TEST(Machine, OciStatusComesFromFacts) {
  for (const State state : {State::fresh, State::verified, State::staged})
    for (const bool alive : {false, true}) EXPECT_EQ(oci_status(state, alive), "creating");
  EXPECT_EQ(oci_status(State::created, true), "created");
  EXPECT_EQ(oci_status(State::running, true), "running");
  EXPECT_EQ(oci_status(State::created, false), "stopped");
  EXPECT_EQ(oci_status(State::running, false), "stopped");
  for (const State state : {State::stopped, State::wiped, State::deleted})
    for (const bool alive : {false, true}) EXPECT_EQ(oci_status(state, alive), "stopped");
}

TEST(Machine, ReachedIsAlongTheWay) {
  EXPECT_TRUE(reached(State::wiped, State::stopped));
  EXPECT_TRUE(reached(State::wiped, State::wiped));
  EXPECT_FALSE(reached(State::stopped, State::wiped));
}

}  // namespace
}  // namespace casemate::warden
