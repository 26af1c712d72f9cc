// A warden as a real process, with a dummy init and a tmpfs that only descriptors reach.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "shim/evidence/audit.h"
#include "shim/evidence/receipt.h"
#include "shim/sys/real_kernel.h"
#include "shim/warden/container_dir.h"
#include "shim/warden/harden.h"
#include "shim/warden/journal.h"
#include "shim/warden/protocol.h"
#include "shim/warden/reconcile.h"

namespace casemate::warden::testing {

inline constexpr std::chrono::milliseconds kPatience{20'000};

inline std::string slurp(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// A folder below the test's temporary one, gone at the end.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = "/tmp/casemate-warden-XXXXXX";
    path_ = ::mkdtemp(name.data());
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// A child that waits for "g" on descriptor 3, or for its end, and then sleeps for ever.
struct DummyInit {
  enum class Kind { sleeps, fails };  // fails: answers "g" with an error and exits
  pid_t pid = -1;
  UniqueFd pidfd;
  UniqueFd start_socket;

  static DummyInit launch(sys::Kernel& kernel, Kind kind) {
    DummyInit init;
    auto ends = kernel.socketpair(SOCK_SEQPACKET);
    const pid_t pid = ::fork();
    if (pid == 0) {
      ::dup2(ends->second.get(), 3);
      ::close_range(4, ~0U, 0);
      live(kind);
    }
    init.pid = pid;
    init.pidfd = std::move(*kernel.pidfd_open(pid));
    init.start_socket = std::move(ends->first);
    return init;
  }

  // The wait status; the zombie is gone afterwards.
  int reap() {
    int status = -1;
    ::waitpid(pid, &status, 0);
    return status;
  }

 private:
  [[noreturn]] static void live(Kind kind) {
    char word = 0;
    if (::read(3, &word, 1) != 1 || word != 'g') ::_exit(42);
    if (kind == Kind::fails) {
      constexpr std::string_view kError =
          R"({"class":"denied","rule":"test.exec","what":"w","hint":"h","pointer":"","errno":2})";
      (void)!::write(3, kError.data(), kError.size());
      ::_exit(1);
    }
    ::close(3);
    for (;;) ::pause();
  }
};

// A detached tmpfs with one file, and the file's own descriptor to look at it afterwards.
struct Secret {
  static constexpr std::size_t kSize = 3 * 1024 * 1024;
  UniqueFd mount;
  UniqueFd file;

  static Secret make(sys::Kernel& kernel) {
    Secret secret;
    auto fs = std::move(*kernel.fsopen("tmpfs"));
    EXPECT_TRUE(kernel.fsconfig_create(fs.get()));
    secret.mount = std::move(*kernel.fsmount(fs.get(), 0));
    secret.file.reset(::openat(secret.mount.get(), "data", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    const std::string text(kSize, 'S');
    EXPECT_EQ(::write(secret.file.get(), text.data(), text.size()), static_cast<ssize_t>(kSize));
    return secret;
  }

  std::size_t bytes_left() const {
    std::string text(kSize, '\0');
    const ssize_t got = ::pread(file.get(), text.data(), text.size(), 0);
    return static_cast<std::size_t>(std::count(text.begin(), text.begin() + got, 'S'));
  }
};

class WardenTest : public ::testing::Test {
 protected:
  void SetUp() override {
    mounts_before_ = slurp("/proc/self/mountinfo");
    auto dir = ContainerDir::create(kernel_, state_path(), "/run/test", "c1");
    ASSERT_TRUE(dir) << dir.error().message();
    dir_ = std::make_unique<ContainerDir>(std::move(*dir));
    auto journal = Journal::open(kernel_, dir_->fd());
    ASSERT_TRUE(journal);
    for (const State state : {State::fresh, State::verified, State::staged})
      ASSERT_TRUE(journal->enter(state));
    secret_ = Secret::make(kernel_);
  }
  void TearDown() override {
    client_.reset();
    dir_.reset();
    secret_ = {};
    if (init_.pid > 0) ::kill(init_.pid, SIGKILL);
    if (init_.pid > 0) ::waitpid(init_.pid, nullptr, 0);
    if (warden_ > 0) ::waitpid(warden_, nullptr, 0);
    EXPECT_EQ(slurp("/proc/self/mountinfo"), mounts_before_);
  }

  std::string state_path() const { return folder_.path() + "/state"; }
  std::string data_path() const { return folder_.path() + "/data"; }
  EvidencePaths evidence() const {
    return {.audit = data_path() + "/audit/audit.jsonl",
            .receipts = data_path() + "/receipts",
            .keys = data_path() + "/keys"};
  }

  void open() {
    // Born in the wardens' cgroup, as create does it.
    const UniqueFd cgroup = wardens_cgroup(kernel_, cgroup::read_hierarchies(kernel_).value());
    auto client = WardenClient::spawn(kernel_, CASEMATE_BINARY_DIR "/bin/casemate-warden",
                                      {.v2_cgroup = cgroup.get()});
    ASSERT_TRUE(client) << client.error().message();
    client_ = std::make_unique<WardenClient>(std::move(*client));
    const Open request{.id = "c1",
                       .root = "/run/test",
                       .evidence = evidence(),
                       .facts = {{"tenant", "acme"}, {"gpu", "none"}}};
    ASSERT_TRUE(client_->open(request, dir_->fd()));
    const auto opened = client_->acknowledged();
    ASSERT_TRUE(opened) << opened.error().message();
    warden_ = client_->warden_pid();
    twin_ = client_->twin_pid();
  }
  void hold_mount() {
    ASSERT_TRUE(client_->hold_mount("dataset:digits", secret_.mount.get()));
    ASSERT_TRUE(client_->acknowledged());
  }
  void hold_init(DummyInit::Kind kind = DummyInit::Kind::sleeps) {
    init_ = DummyInit::launch(kernel_, kind);
    ASSERT_TRUE(client_->hold_init(init_.pid, init_.pidfd.get(), init_.start_socket.get()));
    ASSERT_TRUE(client_->acknowledged());
    init_.start_socket.reset();
  }
  // What the creating CLI does at its end: nothing of it stays.
  void leave() {
    client_.reset();
    secret_.mount.reset();
    dir_.reset();
  }
  void create(DummyInit::Kind kind = DummyInit::Kind::sleeps) {
    open();
    hold_mount();
    hold_init(kind);
    const auto committed = client_->commit({{"datasets", Json::array({{{"id", "digits"}}})}});
    ASSERT_TRUE(committed) << committed.error().message();
    leave();
  }
  // Stopped first, so that neither can act on the other's death.
  void kill_both() {
    for (const int signal : {SIGSTOP, SIGKILL})
      for (const pid_t pid : {twin_, warden_}) ASSERT_EQ(::kill(pid, signal), 0);
    ::waitpid(warden_, nullptr, 0);
    warden_ = 0;
  }
  ContainerDir reopen() {
    auto dir = ContainerDir::open(kernel_, state_path(), "/run/test", "c1");
    EXPECT_TRUE(dir) << dir.error().message();
    return std::move(*dir);
  }
  WardenClient connect() {
    auto client = WardenClient::connect(kernel_, reopen().fd());
    EXPECT_TRUE(client) << client.error().message();
    return std::move(*client);
  }

  Json only_receipt() {
    std::vector<std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(evidence().receipts))
      files.push_back(entry.path());
    EXPECT_EQ(files.size(), 1u);
    if (files.empty()) return Json::object();
    const auto statement =
        evidence::verify_receipt(slurp(files[0]), slurp(evidence().keys + "/receipt.pub"));
    EXPECT_TRUE(statement) << statement.error().message();
    return statement ? statement->at("predicate") : Json::object();
  }
  std::string audit_text() const { return slurp(evidence().audit); }
  void expect_audit_intact() {
    const auto verdict = evidence::verify_audit(kernel_, evidence().audit);
    ASSERT_TRUE(verdict) << verdict.error().message();
    EXPECT_TRUE(verdict->intact()) << verdict->rule << ": " << verdict->problem;
  }
  // WIPED is reached and nothing of the container is left but its records.
  void expect_wiped() {
    auto dir = reopen();
    const auto wiped = await_wiped(kernel_, dir, kPatience);
    ASSERT_TRUE(wiped) << wiped.error().message();
    const auto state = journal_state(kernel_, dir.fd());
    ASSERT_TRUE(state);
    EXPECT_EQ(*state, State::wiped);
    EXPECT_FALSE(*dir.alive());
    expect_audit_intact();
    EXPECT_NE(audit_text().find("container.end"), std::string::npos);
  }
  void expect_rolled_back() {
    const std::string path = state_path();
    for (int i = 0; i < 2000 && !ContainerDir::list(kernel_, path, "/run/test")->empty(); ++i)
      ::usleep(5000);
    EXPECT_TRUE(ContainerDir::list(kernel_, path, "/run/test")->empty());
    expect_audit_intact();
    EXPECT_NE(audit_text().find("create.rollback"), std::string::npos);
  }

  sys::RealKernel kernel_;
  TemporaryFolder folder_;
  std::string mounts_before_;
  std::unique_ptr<ContainerDir> dir_;
  std::unique_ptr<WardenClient> client_;
  Secret secret_;
  DummyInit init_;
  pid_t warden_ = 0;
  pid_t twin_ = 0;
};

}  // namespace casemate::warden::testing
