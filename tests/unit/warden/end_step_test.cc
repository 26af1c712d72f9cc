// Whoever cleans up is killed before each of its calls in turn, and another goes on: one receipt,
// and in it what was overwritten, whoever did it.
#include "shim/warden/clean_up.h"
#include "shim/warden/holdings.h"
#include "tests/unit/sys/mortal_kernel.h"
#include "tests/unit/warden/harness.h"

namespace casemate::warden {
namespace {

using testing::Secret;
using testing::slurp;

// A container with two mounts, ready to be cleaned up in this process.
class Stage {
 public:
  explicit Stage(sys::Kernel& kernel)
      : dir_(ContainerDir::create(kernel, folder_.path() + "/state", "/run/test", "c1").value()),
        secrets_{Secret::make(kernel), Secret::make(kernel)} {
    auto journal = Journal::open(kernel, dir_.fd()).value();
    for (const State state : {State::fresh, State::verified, State::staged, State::created})
      EXPECT_TRUE(journal.enter(state));
  }

  Holdings holdings(sys::Kernel& kernel) {
    Holdings all(kernel);
    Message open{.op = Message::Op::open};
    open.open = {.id = "c1", .root = "/run/test", .evidence = evidence(), .facts = {}};
    take(all, std::move(open), dir_.fd());
    for (std::size_t i = 0; i < secrets_.size(); ++i) {
      Message hold{.op = Message::Op::hold};
      hold.hold.what = "tmpfs:/" + std::to_string(i);
      take(all, std::move(hold), secrets_[i].mount.get());
    }
    EXPECT_TRUE(all.save());
    return all;
  }
  EvidencePaths evidence() const {
    const std::string data = folder_.path() + "/data";
    return {.audit = data + "/audit.jsonl", .receipts = data + "/receipts", .keys = data + "/keys"};
  }
  ContainerDir& dir() { return dir_; }
  std::size_t bytes_left() const { return secrets_[0].bytes_left() + secrets_[1].bytes_left(); }

  // The one receipt that there must be, signed, and every end record must name it.
  Json receipt() const {
    const std::filesystem::directory_iterator files(evidence().receipts);
    std::vector<std::string> paths;
    // One that is killed before its rename leaves a hidden file that is no receipt.
    for (const auto& file : files)
      if (!file.path().filename().string().starts_with('.')) paths.push_back(file.path());
    EXPECT_EQ(paths.size(), 1U);
    const std::string audit = slurp(evidence().audit);
    std::size_t ends = 0;
    for (std::size_t at = 0; (at = audit.find("container.end", at)) != std::string::npos; ++at)
      ++ends;
    std::size_t named = 0;
    for (std::size_t at = 0;
         (at = audit.find("\"receipt\":\"" + paths.at(0), at)) != std::string::npos; ++at)
      ++named;
    EXPECT_GE(named, ends + 1) << "each container.end, and receipt.written";
    return evidence::verify_receipt(slurp(paths.at(0)), slurp(evidence().keys + "/receipt.pub"))
        .value()
        .at("predicate");
  }

 private:
  static void take(Holdings& all, Message message, int fd) {
    std::vector<UniqueFd> fds;
    fds.emplace_back(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
    EXPECT_TRUE(all.take(std::move(message), std::move(fds)));
  }

  testing::TemporaryFolder folder_;
  ContainerDir dir_;
  std::array<Secret, 2> secrets_;
};

class EndStep : public ::testing::Test {
 protected:
  // True when the first one came to its end unharmed.
  bool finish_and_die(Stage& stage, std::size_t call) {
    const pid_t first = ::fork();
    if (first == 0) {
      sys::MortalKernel mortal(kernel_);
      Holdings held = stage.holdings(mortal);
      mortal.die_at(call);
      ::_exit(finish(mortal, held, {}) ? 0 : 1);
    }
    int status = -1;
    ::waitpid(first, &status, 0);
    EXPECT_TRUE(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 9));
    return status == 0;
  }
  void expect_figures(const Json& wiped, const std::string& where) {
    const std::uint64_t bytes = wiped.at("bytes");
    if (wiped.contains("interrupted")) {
      ++interrupted_;
      EXPECT_LE(bytes, 2 * Secret::kSize) << where;
    } else {
      EXPECT_EQ(bytes, 2 * Secret::kSize) << where;
      EXPECT_EQ(wiped.at("files"), 2) << where;
    }
  }

  sys::RealKernel kernel_;
  int interrupted_ = 0;
};

TEST_F(EndStep, TheTwinGoesOn) {
  std::size_t call = 0;
  for (bool unharmed = false; !unharmed;) {
    Stage stage(kernel_);
    unharmed = finish_and_die(stage, ++call);
    Holdings held = stage.holdings(kernel_);
    const std::string where = "killed at call " + std::to_string(call);
    if (journal_state(kernel_, stage.dir().fd()).value() != State::wiped) {
      ASSERT_TRUE(finish(kernel_, held, {.warden = false, .twin = true})) << where;
    }
    EXPECT_EQ(stage.bytes_left(), 0U) << where;
    const Json receipt = stage.receipt();
    expect_figures(receipt.at("wiped"), where);
    EXPECT_EQ(stage.dir().load_result().value()->wiped_bytes, receipt.at("wiped").at("bytes"));
    EXPECT_TRUE(evidence::verify_audit(kernel_, stage.evidence().audit)->intact());
    if (HasFailure()) FAIL() << where;
  }
  EXPECT_GT(interrupted_, 0);
  EXPECT_GT(call, 2 * static_cast<std::size_t>(interrupted_)) << "most ends are counted whole";
}

TEST_F(EndStep, NobodyIsLeftAndDeleteReconciles) {
  int claimed = 0;
  std::size_t call = 0;
  for (bool unharmed = false; !unharmed;) {
    Stage stage(kernel_);
    unharmed = finish_and_die(stage, ++call);
    const std::string where = "killed at call " + std::to_string(call);
    if (journal_state(kernel_, stage.dir().fd()).value() != State::wiped) {
      auto left = load_holdings(kernel_, stage.dir().fd(), "c1");
      ASSERT_TRUE(left) << where;
      ASSERT_TRUE(finish(kernel_, *left, {.warden = false, .twin = false})) << where;
    }
    const Json wiped = stage.receipt().at("wiped");
    if (!wiped.is_null()) {
      ++claimed;
      EXPECT_EQ(wiped.at("bytes"), 2 * Secret::kSize) << where;
      EXPECT_EQ(stage.bytes_left(), 0U) << where;
    }
    if (HasFailure()) FAIL() << where;
  }
  EXPECT_GT(claimed, 0) << "what is journalled is known";
  EXPECT_LT(static_cast<std::size_t>(claimed), call) << "and what is not, is not";
}

}  // namespace
}  // namespace casemate::warden
