#include "shim/run/notify.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "shim/sys/real_kernel.h"
#include "shim/warden/container_dir.h"
#include "tests/unit/base/outcome.h"
#include "tests/unit/fs/scratch.h"

namespace casemate::run {
namespace {

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  return address;
}

// A service manager, a container's directory, and somebody in the container.
class Notify : public testing::Test {
 protected:
  Notify() : directory_(::open(scratch_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    manager_.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const auto address = address_of(caller_);
    EXPECT_EQ(::bind(manager_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
              0);
    const mode_t before = ::umask(077);
    EXPECT_TRUE(make_notify_folder(kernel_, directory_.get()));
    ::umask(before);
  }

  NotifySocket listening() {
    auto socket = NotifySocket::listen(kernel_, directory_.get(), caller_);
    EXPECT_TRUE(socket && *socket) << socket.error().message();
    return std::move(**socket);
  }
  int say(const std::string& text) {
    const UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const auto address = address_of(scratch_ / "notify/notify.sock");
    return ::sendto(socket.get(), text.data(), text.size(), 0,
                    reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0
               ? errno
               : 0;
  }
  std::string heard() {
    char text[256];
    const ssize_t got = ::recv(manager_.get(), text, sizeof text, 0);
    return got < 0 ? "" : std::string(text, static_cast<std::size_t>(got));
  }

  sys::RealKernel kernel_;
  fs::Scratch scratch_;
  std::string caller_ = scratch_ / "manager";
  UniqueFd directory_, manager_;
};

TEST_F(Notify, OnlyThatItIsReadyGoesOn) {
  NotifySocket socket = listening();
  EXPECT_FALSE(socket.relay(7).value()) << "nothing was said";
  for (const char* text :
       {"STATUS=x", "READY=0", "READY=10", "XREADY=1", "MAINPID=1\nFDSTORE=1", ""}) {
    EXPECT_EQ(say(text), 0) << text;
    EXPECT_FALSE(socket.relay(7).value()) << text;
  }
  EXPECT_EQ(heard(), "");
  EXPECT_EQ(say("STATUS=fine\nREADY=1\nMAINPID=1"), 0);
  EXPECT_TRUE(socket.relay(7).value());
  EXPECT_EQ(heard(), "MAINPID=7\nREADY=1\n");
  EXPECT_EQ(heard(), "");
  EXPECT_EQ(socket.fd(), -1);
  EXPECT_EQ(say("READY=1"), ECONNREFUSED) << "once";
}

TEST_F(Notify, WhoeverTheContainersUserIs) {
  const NotifySocket socket = listening();
  struct stat folder{}, file{};
  ASSERT_EQ(::stat((scratch_ / "notify").c_str(), &folder), 0);
  ASSERT_EQ(::stat((scratch_ / "notify/notify.sock").c_str(), &file), 0);
  EXPECT_EQ(folder.st_mode & 07777, 0755u);
  EXPECT_EQ(file.st_mode & 07777, 0666u);
}

TEST_F(Notify, NobodyWaits) {
  EXPECT_FALSE(NotifySocket::listen(kernel_, directory_.get(), "")->has_value());
  {
    const NotifySocket socket = listening();
  }
  EXPECT_EQ(say("READY=1"), ENOENT) << "gone with the one who listened";
  ASSERT_EQ(::rmdir((scratch_ / "notify").c_str()), 0);
  EXPECT_FALSE(NotifySocket::listen(kernel_, directory_.get(), caller_)->has_value());
}

TEST_F(Notify, ASecondStartListensToo) {
  NotifySocket first = listening();
  NotifySocket second = listening();
  EXPECT_EQ(say("READY=1"), 0);
  EXPECT_TRUE(second.relay(1).value());
}

TEST_F(Notify, ItsFolderGoesWithTheDirectory) {
  NotifySocket socket = listening();
  auto directory = warden::ContainerDir::create(kernel_, scratch_ / "state", "/run/x", "one");
  ASSERT_TRUE(directory) << directory.error().message();
  ASSERT_TRUE(make_notify_folder(kernel_, directory->fd()));
  auto inner = NotifySocket::listen(kernel_, directory->fd(), caller_);
  ASSERT_TRUE(inner && *inner);
  EXPECT_TRUE(directory->remove());
  EXPECT_EQ(warden::ContainerDir::list(kernel_, scratch_ / "state", "/run/x")->size(), 0u);
}

TEST_F(Notify, TheEndOfInitEndsTheWait) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  const std::uint64_t start = warden::process_start_time(child);
  NotifySocket socket = listening();
  EXPECT_TRUE(socket.await_ready(kernel_, child, start)) << "whether it lives, is a zombie";
  ::waitpid(child, nullptr, 0);
  EXPECT_TRUE(socket.await_ready(kernel_, child, start)) << "or gone";
  EXPECT_EQ(heard(), "");
  EXPECT_EQ(say("READY=1"), 0);
  EXPECT_TRUE(socket.await_ready(kernel_, child, start));
  EXPECT_EQ(heard(), "MAINPID=" + std::to_string(child) + "\nREADY=1\n") << "its last word";
}

TEST_F(Notify, WhatWasSaidBeforeTheEndCounts) {
  int hold[2];
  ASSERT_EQ(::pipe2(hold, O_CLOEXEC), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    char byte;
    ::close(hold[1]);
    ::_exit(::read(hold[0], &byte, 1) == 0 ? 0 : 1);
  }
  const std::uint64_t start = warden::process_start_time(child);
  NotifySocket socket = listening();
  EXPECT_EQ(say("READY=1"), 0);
  EXPECT_TRUE(socket.await_ready(kernel_, child, start));
  EXPECT_EQ(heard(), "MAINPID=" + std::to_string(child) + "\nREADY=1\n");
  ::close(hold[0]);
  ::close(hold[1]);
  ::waitpid(child, nullptr, 0);
}

TEST_F(Notify, ACallerThatCannotBeTold) {
  NotifySocket socket = listening();
  manager_.reset();
  EXPECT_EQ(say("READY=1"), 0);
  EXPECT_EQ(errno_of(socket.relay(1)), ECONNREFUSED);
}

TEST(NotifyAddress, Shapes) {
  for (const char* good : {"", "/run/systemd/notify", "@/org/freedesktop/systemd1/notify"})
    EXPECT_TRUE(check_notify_socket(good)) << good;
  for (const std::string& bad :
       {std::string("run/notify"), std::string("vsock:2:1"), "/" + std::string(107, 'x')})
    EXPECT_EQ(rule_of(check_notify_socket(bad)), "notify.socket") << bad;
}

}  // namespace
}  // namespace casemate::run
