#include "shim/cli/caller.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

#include "tests/unit/base/outcome.h"

namespace casemate::cli {
namespace {

Result<int> with(const char* fds, const std::string& pid) {
  ::setenv("LISTEN_FDS", fds, 1);
  ::setenv("LISTEN_PID", pid.c_str(), 1);
  auto count = listen_fds();
  ::unsetenv("LISTEN_FDS");
  ::unsetenv("LISTEN_PID");
  return count;
}

TEST(Caller, ListenFds) {
  const std::string own = std::to_string(::getpid());
  EXPECT_EQ(listen_fds().value(), 0);
  EXPECT_EQ(with("3", own).value(), 3);
  EXPECT_EQ(with("0", own).value(), 0);
  EXPECT_EQ(with("", own).value(), 0);
  EXPECT_EQ(with("3", "1").value(), 0) << "another process'";
  EXPECT_EQ(with("3", "").value(), 0);
  EXPECT_EQ(with("3", own + "x").value(), 0);
  for (const char* nonsense : {"x", "-1", "1025", " 1", "1 ", "99999999999"})
    EXPECT_EQ(rule_of(with(nonsense, own)), "cli.listen-fds") << nonsense;
}

TEST(Caller, NotifySocket) {
  ::unsetenv("NOTIFY_SOCKET");
  EXPECT_EQ(notify_socket(), "");
  ::setenv("NOTIFY_SOCKET", "/run/x", 1);
  EXPECT_EQ(notify_socket(), "/run/x");
  ::unsetenv("NOTIFY_SOCKET");
}

}  // namespace
}  // namespace casemate::cli
