// kill -9 of one of the two at many moments of a container's life: always WIPED with a receipt, or
// rolled back; never a byte left.
#include <ctime>

#include "tests/unit/warden/harness.h"

namespace casemate::warden {
namespace {

using testing::kPatience;

struct Moment {
  bool twin;
  int microseconds;  // after open
};

class KillPoint : public testing::WardenTest, public ::testing::WithParamInterface<Moment> {
 protected:
  void kill_later(pid_t victim, int microseconds) {
    killer_ = ::fork();
    if (killer_ != 0) return;
    ::close_range(3, ~0U, 0);
    const timespec delay{.tv_sec = 0, .tv_nsec = microseconds * 1000L};
    ::nanosleep(&delay, nullptr);
    ::kill(victim, SIGKILL);
    ::_exit(0);
  }
  // As far as the wardens let it come; what fails then is not the point.
  void live() {
    held_ = client_->hold_mount("dataset:digits", secret_.mount.get()) && client_->acknowledged();
    if (!held_) return;
    init_ = DummyInit::launch(kernel_, DummyInit::Kind::sleeps);
    if (!client_->hold_init(init_.pid, init_.pidfd.get(), init_.start_socket.get())) return;
    if (!client_->acknowledged()) return;
    init_.start_socket.reset();
    if (!client_->commit(Json::object()) || !client_->start(kPatience)) return;
    (void)client_->kill(SIGKILL);
  }
  using DummyInit = testing::DummyInit;
  pid_t killer_ = -1;
  bool held_ = false;  // acknowledged: from then on it must be overwritten
};

TEST_P(KillPoint, LeavesNothing) {
  open();
  kill_later(GetParam().twin ? twin_ : warden_, GetParam().microseconds);
  live();
  leave();
  init_.start_socket.reset();
  ::waitpid(killer_, nullptr, 0);
  if (init_.pid > 0 && ::kill(init_.pid, 0) == 0) {
    // Killed by whoever survived, or never told to the wardens: then its socket's end ends it.
    init_.reap();
    init_.pid = -1;
  }
  auto dir = ContainerDir::open(kernel_, state_path(), "/run/test", "c1");
  if (dir) {
    const auto wiped = await_wiped(kernel_, *dir, kPatience);
    ASSERT_TRUE(wiped) << wiped.error().message();
    const bool removed = !std::filesystem::exists(evidence().receipts);  // rolled back meanwhile
    if (!removed) {
      EXPECT_EQ(*journal_state(kernel_, dir->fd()), State::wiped);
      EXPECT_FALSE(std::filesystem::is_empty(evidence().receipts));
    }
  }
  expect_audit_intact();
  const std::string records = audit_text();
  EXPECT_TRUE(records.find("container.end") != std::string::npos ||
              records.find("create.rollback") != std::string::npos);
  if (held_) {
    EXPECT_EQ(secret_.bytes_left(), 0u);
  }
}

std::vector<Moment> moments() {
  std::vector<Moment> all;
  for (int step = 0; step < 18; ++step)
    for (const bool twin : {false, true}) all.push_back({twin, step * step * 60});
  return all;
}
INSTANTIATE_TEST_SUITE_P(Moments, KillPoint, ::testing::ValuesIn(moments()));

}  // namespace
}  // namespace casemate::warden
