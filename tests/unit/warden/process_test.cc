// What the warden is on the machine: what it inherits, keeps, may do and costs; and cgroups.
#include <sys/types.h>

#include <sstream>

#include "shim/cgroup/cgroup.h"
#include "tests/unit/warden/harness.h"

namespace casemate::warden {
namespace {

using testing::slurp;
using testing::WardenTest;

std::string proc(pid_t pid, const std::string& file) {
  return slurp("/proc/" + std::to_string(pid) + "/" + file);
}
std::string link(pid_t pid, const std::string& file) {
  std::error_code failed;
  return std::filesystem::read_symlink("/proc/" + std::to_string(pid) + "/" + file, failed);
}
std::string status_field(pid_t pid, const std::string& key) {
  std::istringstream lines(proc(pid, "status"));
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with(key + ":"))
      return line.substr(line.find_first_not_of("\t ", key.size() + 1));
  return {};
}
long smaps_kilobytes(pid_t pid, const std::string& key) {
  std::istringstream lines(proc(pid, "smaps_rollup"));
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with(key + ":")) return std::stol(line.substr(key.size() + 1));
  return -1;
}

TEST_F(WardenTest, BothInheritNothingAndMayDoLittle) {
  ::setenv("CASEMATE_TEST_LEAK", "1", 1);
  const int leak = ::open("/etc/hostname", O_RDONLY);  // no O_CLOEXEC, as callers leak theirs
  create();
  ::close(leak);
  EXPECT_EQ(proc(warden_, "comm"), "casemate-warden\n");
  EXPECT_EQ(proc(twin_, "comm"), "casemate-twin\n");
  for (const pid_t pid : {warden_, twin_}) {
    for (const char* fd : {"fd/0", "fd/1", "fd/2"}) EXPECT_EQ(link(pid, fd), "/dev/null");
    for (const auto& fd :
         std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fd"))
      EXPECT_NE(std::filesystem::read_symlink(fd.path()), "/etc/hostname");
    EXPECT_EQ(link(pid, "cwd"), "/");
    EXPECT_EQ(proc(pid, "environ").find("CASEMATE_TEST_LEAK"), std::string::npos);
    EXPECT_EQ(::getsid(pid), warden_);
    EXPECT_EQ(status_field(pid, "NoNewPrivs"), "1");
    EXPECT_EQ(status_field(pid, "Seccomp"), "2");
    EXPECT_EQ(status_field(pid, "Threads"), "1");
    // SYS_ADMIN, LINUX_IMMUTABLE, KILL, FOWNER, DAC_READ_SEARCH, DAC_OVERRIDE at most.
    EXPECT_EQ(std::stoull(status_field(pid, "CapPrm"), nullptr, 16) & ~0x20022eULL, 0u);
    EXPECT_EQ(status_field(pid, "SigBlk"),
              "fffffffe7ffbfeff");  // all but KILL and STOP (and NPTL's)
  }
  connect().kill(SIGKILL);
  init_.reap();
  expect_wiped();
}

TEST_F(WardenTest, BothLiveInALeafOfTheirOwn) {
  create();
  for (const pid_t pid : {warden_, twin_}) {
    std::istringstream lines(proc(pid, "cgroup"));
    for (std::string line; std::getline(lines, line);) {
      const bool grouped = line.starts_with("0::") || line.find(":freezer:") != std::string::npos ||
                           line.find(":pids:") != std::string::npos ||
                           line.find("name=systemd") != std::string::npos;
      EXPECT_TRUE(!grouped || line.ends_with(":/casemate-wardens")) << line;
    }
  }
  connect().kill(SIGKILL);
  init_.reap();
  expect_wiped();
}

TEST_F(WardenTest, AtRestBothAreSmallAndDoNotWake) {
  create();
  ::usleep(50'000);
  const std::string before = status_field(warden_, "voluntary_ctxt_switches") +
                             status_field(twin_, "voluntary_ctxt_switches");
  ::usleep(500'000);
  EXPECT_EQ(status_field(warden_, "voluntary_ctxt_switches") +
                status_field(twin_, "voluntary_ctxt_switches"),
            before);
  for (const pid_t pid : {warden_, twin_}) {
    const long dirty = smaps_kilobytes(pid, "Private_Dirty");
    EXPECT_GT(dirty, 0);
    EXPECT_LE(dirty, 3 * 1024);
    RecordProperty("private_dirty_kib", static_cast<int>(dirty));
  }
  connect().kill(SIGKILL);
  init_.reap();
  expect_wiped();
}

TEST_F(WardenTest, TheControlSocketIsAFileForRootOnly) {
  create();
  struct stat status{};
  ASSERT_EQ(::fstatat(reopen().fd(), "control", &status, 0), 0);
  EXPECT_TRUE(S_ISSOCK(status.st_mode));
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  EXPECT_EQ(status.st_uid, 0u);
  connect().kill(SIGKILL);
  init_.reap();
  expect_wiped();
}

TEST_F(WardenTest, APeerThatIsNotRootIsNotHeard) {
  create();
  auto dir = reopen();
  ASSERT_EQ(::fchmodat(dir.fd(), "control", 0666, 0), 0);  // the mode is not what protects
  const pid_t child = ::fork();
  if (child == 0) {
    if (::setresuid(65534, 65534, 65534) != 0) ::_exit(2);
    // The directory (0700) is open already: only the peer check is in the way.
    auto client = WardenClient::connect(kernel_, dir.fd());
    if (!client) ::_exit(3);
    ::_exit(client->status() ? 1 : 0);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status));
  // 0: connected and not answered; 3: the kernel refused to reach the socket at all.
  EXPECT_NE(WEXITSTATUS(status), 1);
  EXPECT_NE(WEXITSTATUS(status), 2);
  EXPECT_EQ(connect().status()->state, State::created);
  connect().kill(SIGKILL);
  init_.reap();
  expect_wiped();
}

// A cgroup in every hierarchy with a process that is not init.
struct Group {
  cgroup::Cgroup group;
  pid_t straggler;

  static Group make(sys::Kernel& kernel, const std::string& path) {
    const auto hierarchies = cgroup::read_hierarchies(kernel);
    auto group = cgroup::Cgroup::create(kernel, *hierarchies, path);
    EXPECT_TRUE(group) << group.error().message();
    const pid_t pid = ::fork();
    if (pid == 0) {
      ::close_range(3, ~0U, 0);
      for (;;) ::pause();
    }
    const auto joined = group->join(pid);
    EXPECT_TRUE(joined) << joined.error().message();
    return {.group = std::move(*group), .straggler = pid};
  }
  void expect_killed() const {
    int status = 0;
    EXPECT_EQ(::waitpid(straggler, &status, 0), straggler);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  }
  void expect_removed() const {
    EXPECT_FALSE(std::filesystem::exists(group.path("freezer")));
    EXPECT_FALSE(std::filesystem::exists(group.path("")));
  }
};

TEST_F(WardenTest, AFrozenCgroupEndsWithInit) {
  auto group = Group::make(kernel_, "/casemate-warden-test-" + std::to_string(::getpid()));
  open();
  hold_mount();
  ASSERT_TRUE(client_->hold_cgroup(group.group.to_json()));
  ASSERT_TRUE(client_->acknowledged());
  hold_init();
  ASSERT_TRUE(client_->commit(Json::object()));
  leave();
  ASSERT_TRUE(group.group.join(init_.pid));
  ASSERT_TRUE(group.group.freeze(true));
  ASSERT_EQ(::kill(warden_, SIGKILL), 0);  // the twin has to thaw
  init_.reap();
  group.expect_killed();
  expect_wiped();
  group.expect_removed();
  EXPECT_EQ(only_receipt().at("warden"), "lost");
  EXPECT_EQ((*reopen().load_result())->problem, "");
}

TEST_F(WardenTest, SigkillEndsAPausedJobAndOtherSignalsWait) {
  auto group = Group::make(kernel_, "/casemate-warden-test-" + std::to_string(::getpid()));
  open();
  hold_mount();
  ASSERT_TRUE(client_->hold_cgroup(group.group.to_json()));
  hold_init();
  ASSERT_TRUE(client_->commit(Json::object()));
  leave();
  ASSERT_TRUE(group.group.join(init_.pid));
  ASSERT_TRUE(group.group.freeze(true));
  auto client = connect();
  ASSERT_TRUE(client.kill(SIGTERM));
  EXPECT_TRUE(group.group.frozen().value());
  EXPECT_TRUE(client.status()->init_alive);
  ASSERT_TRUE(client.kill(SIGKILL));
  init_.reap();
  group.expect_killed();
  expect_wiped();
  group.expect_removed();
}

TEST_F(WardenTest, AnUpdateStandsInTheReceiptWhoeverWritesIt) {
  const std::string plan = "sha256:" + std::string(64, 'b');
  create();
  const std::string profile = "sha256:" + std::string(64, 'c');
  ASSERT_TRUE(connect().updated({.plan = plan, .profile = profile, .tainted = true}));
  const Update nonsense{.plan = "sha256:b", .profile = profile};
  EXPECT_EQ(connect().updated(nonsense).error().rule, "warden.message");
  ASSERT_EQ(::kill(warden_, SIGKILL), 0);
  init_.reap();
  expect_wiped();
  const Json receipt = only_receipt();
  EXPECT_EQ(receipt.at("updatedPlan"), plan);
  EXPECT_EQ(receipt.at("updatedProfile"), profile);
  EXPECT_EQ(receipt.at("profile").at("tainted"), true);
  EXPECT_TRUE(receipt.at("times").at("updated").is_string());
  EXPECT_EQ(receipt.at("tenant"), "acme");
}

TEST_F(WardenTest, ARollBackEmptiesAndRemovesTheCgroup) {
  auto group = Group::make(kernel_, "/casemate-warden-test-" + std::to_string(::getpid()));
  open();
  hold_mount();
  ASSERT_TRUE(client_->hold_cgroup(group.group.to_json()));
  ASSERT_TRUE(client_->acknowledged());
  leave();
  group.expect_killed();
  expect_rolled_back();
  group.expect_removed();
  EXPECT_EQ(secret_.bytes_left(), 0u);
}

TEST_F(WardenTest, AnIntendedCgroupIsRemovedButNobodyInItIsKilled) {
  const std::string mine = "/casemate-warden-test-" + std::to_string(::getpid());
  auto group = Group::make(kernel_, mine + "/others");
  const auto hierarchies = cgroup::read_hierarchies(kernel_);
  auto empty = cgroup::Cgroup::create(kernel_, *hierarchies, mine + "/intended");
  ASSERT_TRUE(empty);
  open();
  ASSERT_TRUE(client_->intend_cgroup(mine + "/intended"));
  ASSERT_TRUE(client_->intend_cgroup(mine + "/others"));
  ASSERT_TRUE(client_->acknowledged());
  leave();
  expect_rolled_back();
  EXPECT_FALSE(std::filesystem::exists(empty->path("freezer")));
  EXPECT_EQ(::waitpid(group.straggler, nullptr, WNOHANG), 0) << "a stranger was killed";
  ASSERT_TRUE(group.group.kill_all(testing::kPatience));
  ::waitpid(group.straggler, nullptr, 0);
  ASSERT_TRUE(group.group.remove());
  group.group.remove_made_parents();
  empty->remove_made_parents();
}

}  // namespace
}  // namespace casemate::warden
