#include "shim/sys/frame.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cstring>
#include <random>
#include <thread>

#include "shim/base/clock.h"
#include "shim/sys/helper.h"
#include "shim/sys/real_kernel.h"
#include "tests/unit/base/outcome.h"

namespace casemate::sys {
namespace {

Deadline soon() {
  return monotonic_ns() + 2'000'000'000;
}

class FrameTest : public ::testing::Test {
 protected:
  Result<Frame> receive() { return receive_frame(ends_.second.get(), /*peer=*/-1, soon()); }
  // One packet as it stands, to play a peer that does not keep to the rules.
  void raw(std::string_view packet, std::span<const int> fds = {}) {
    ASSERT_TRUE(kernel_.send(ends_.first.get(), packet, fds));
  }
  static std::string head(std::uint32_t length, std::uint32_t descriptors,
                          std::uint32_t magic = 0x31464d43) {
    const std::uint32_t words[] = {magic, length, descriptors};
    return {reinterpret_cast<const char*>(words), sizeof words};
  }

  RealKernel kernel_;
  std::pair<UniqueFd, UniqueFd> ends_ = std::move(*kernel_.socketpair(SOCK_SEQPACKET));
};

TEST_F(FrameTest, CarriesEverySize) {
  for (const std::size_t size :
       {0UL, 1UL, 32755UL, 32756UL, 32757UL, 65524UL, 65525UL, kHelperMessageLimit}) {
    std::string text(size, 'x');
    for (std::size_t i = 0; i < size; i += 997) text[i] = static_cast<char>('a' + i % 26);
    const int fds[] = {ends_.first.get(), ends_.second.get()};
    std::thread sender([&] { EXPECT_TRUE(send_frame(ends_.first.get(), text, fds, soon())); });
    const auto frame = receive();
    sender.join();
    ASSERT_TRUE(frame) << size << ": " << frame.error().message();
    EXPECT_TRUE(frame->text == text) << size;
    EXPECT_EQ(frame->fds.size(), 2U);
  }
}

TEST_F(FrameTest, RefusesToSendTooMuch) {
  const std::string text(kHelperMessageLimit + 1, 'x');
  EXPECT_EQ(rule_of(send_frame(ends_.first.get(), text, {}, soon())), "helper.size");
  const std::vector<int> fds(kHelperDescriptorLimit + 1, 0);
  EXPECT_EQ(rule_of(send_frame(ends_.first.get(), "x", fds, soon())), "helper.size");
}

TEST_F(FrameTest, RefusesWhatIsNoFrame) {
  const int fds[] = {0};
  const auto refused = [&](std::string_view packet, std::span<const int> with = {}) {
    raw(packet, with);
    const auto frame = receive();
    return frame ? "accepted" : frame.error().rule;
  };
  EXPECT_EQ(refused("x"), "helper.frame");
  EXPECT_EQ(refused(head(0, 0).substr(1)), "helper.frame");
  EXPECT_EQ(refused(head(0, 0, 1)), "helper.frame");
  EXPECT_EQ(refused(head(kHelperMessageLimit + 1, 0)), "helper.frame");
  EXPECT_EQ(refused(head(~0U, 0)), "helper.frame");
  EXPECT_EQ(refused(head(0, 1)), "helper.frame");
  EXPECT_EQ(refused(head(0, 0), fds), "helper.frame");
  EXPECT_EQ(refused(head(0, kHelperDescriptorLimit + 1)), "helper.frame");
  EXPECT_EQ(refused(head(1, 0) + "too long"), "helper.frame");
  raw(head(10, 0) + "begin");
  EXPECT_EQ(refused("rest", fds), "helper.frame");
}

TEST_F(FrameTest, APeerThatGoesAwayIsNoticed) {
  raw(head(10, 0) + "begin");
  ends_.first.reset();
  EXPECT_EQ(rule_of(receive()), "helper.died");
}

// The kernel reports the unread bytes (ECONNRESET) before it hands out the last words.
TEST_F(FrameTest, LastWordsOfAPeerThatDidNotReadArrive) {
  ASSERT_TRUE(send_frame(ends_.second.get(), "unread", {}, soon()));
  raw(head(5, 0) + "words");
  ends_.first.reset();
  const auto frame = receive();
  ASSERT_TRUE(frame) << frame.error().message();
  EXPECT_EQ(frame->text, "words");
  EXPECT_EQ(rule_of(receive()), "helper.died");
}

TEST_F(FrameTest, WaitsNoLongerThanTheDeadline) {
  const Deadline deadline = monotonic_ns() + 50'000'000;
  EXPECT_EQ(rule_of(receive_frame(ends_.second.get(), -1, deadline)), "helper.deadline");
  EXPECT_GE(monotonic_ns(), deadline);
  // A peer that does not read: the buffer is full at some time.
  const std::string text(kHelperMessageLimit, 'x');
  EXPECT_EQ(rule_of(send_frame(ends_.first.get(), text, {}, monotonic_ns() + 50'000'000)),
            "helper.deadline");
}

// Random packets: never a crash, never a leak, never a frame beyond the limits.
TEST_F(FrameTest, SurvivesRandomPackets) {
  std::mt19937 random(42);
  const int fds[] = {0, 1, 2};
  for (int round = 0; round < 3000; ++round) {
    std::string packet = head(random() % 64, random() % 4);
    packet.resize(packet.size() + random() % 64);
    if (random() % 2 == 0) packet[random() % packet.size()] = static_cast<char>(random());
    raw(packet, std::span(fds).first(random() % 4));
    const auto frame = receive_frame(ends_.second.get(), -1, monotonic_ns());
    if (!frame) continue;
    EXPECT_LE(frame->text.size(), kHelperMessageLimit);
    EXPECT_LE(frame->fds.size(), 3U);
  }
}

}  // namespace
}  // namespace casemate::sys
