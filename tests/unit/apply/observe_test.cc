#include "shim/apply/observe.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <random>

#include "shim/sys/real_kernel.h"
#include "tests/unit/base/outcome.h"

namespace casemate::apply {
namespace {

TEST(Mountinfo, Fields) {
  const auto mounts = parse_mountinfo(
      "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n"
      "37 36 0:5 / /proc ro,nosuid,nodev,noexec,relatime shared:5 master:2 - proc proc rw\n"
      "38 36 0:6 / /a\\040b rw - tmpfs tmpfs ro,nosuid\n");
  ASSERT_TRUE(mounts) << mounts.error().message();
  ASSERT_EQ(mounts->size(), 3u);
  const plan::ObservedMount& first = (*mounts)[0];
  EXPECT_EQ(first.id, 36u);
  EXPECT_EQ(first.point, "/mnt2");
  EXPECT_EQ(first.type, "ext3");
  EXPECT_FALSE(first.readonly || first.nosuid || first.nodev || first.noexec);
  const plan::ObservedMount& second = (*mounts)[1];
  EXPECT_TRUE(second.readonly && second.nosuid && second.nodev && second.noexec);
  // The superblock's options are not the mount's.
  const plan::ObservedMount& third = (*mounts)[2];
  EXPECT_FALSE(third.readonly || third.nosuid);
  EXPECT_EQ(third.point, "/a\\040b");
}

TEST(Mountinfo, TimesPropagationAndMappings) {
  const auto mounts = parse_mountinfo(
      "36 35 98:0 / / rw,noatime,nodiratime,idmapped shared:1 master:2 propagate_from:2 - ext3 a "
      "rw\n"
      "37 36 0:5 / /p rw,relatime unbindable - proc proc rw,idmapped\n");
  ASSERT_TRUE(mounts) << mounts.error().message();
  const plan::ObservedMount& first = (*mounts)[0];
  EXPECT_TRUE(first.noatime && first.nodiratime && first.idmapped && first.shared && first.slave);
  EXPECT_FALSE(first.relatime || first.unbindable);
  const plan::ObservedMount& second = (*mounts)[1];
  EXPECT_TRUE(second.relatime && second.unbindable);
  EXPECT_FALSE(second.noatime || second.idmapped || second.shared || second.slave);
}

TEST(Mountinfo, OptionsAreWholeWords) {
  const auto mounts = parse_mountinfo("1 0 0:1 / / errors=ro,ronly,nosuidx - tmpfs t rw\n");
  ASSERT_TRUE(mounts);
  EXPECT_FALSE((*mounts)[0].readonly || (*mounts)[0].nosuid);
}

TEST(Mountinfo, LabelsOfWholeMounts) {
  const std::string line = "1 0 0:1 / / rw - tmpfs t ";
  const auto label = [&](const std::string& options) {
    const auto mounts = parse_mountinfo(line + options + "\n");
    return mounts ? (*mounts)[0].label : mounts.error().message();
  };
  EXPECT_EQ(label("rw,context=\"u:r:t:s0:c1,c2\",size=1k"), "u:r:t:s0:c1,c2");
  EXPECT_EQ(label("rw,context=u:r:t:s0,size=1k"), "u:r:t:s0");
  EXPECT_EQ(label("context=u:r:t:s0"), "u:r:t:s0");
  EXPECT_EQ(label("rw,seclabel,rootcontext=u:r:t:s0"), "");
  EXPECT_EQ(label("rw,rootcontext=a,context=b"), "b");
  EXPECT_EQ(label("rw"), "");
}

TEST(Mountinfo, NothingIsNothing) {
  EXPECT_TRUE(parse_mountinfo("").value().empty());
}

TEST(Mountinfo, Malformed) {
  for (const char* line : {"x 35 98:0 / / rw - ext3 d rw", "36 35 98:0 / /", "36",
                           "36 35 98:0 / / rw ext3 d rw", "36 35 98:0 / / rw -"})
    EXPECT_EQ(rule_of(parse_mountinfo(line)), "proc.mountinfo") << line;
}

TEST(Mountinfo, RandomMutationsDoNotCrash) {
  const std::string line = "37 36 0:5 / /proc ro,nosuid,nodev shared:5 - proc proc rw\n";
  std::mt19937 random(5);
  int refused = 0;
  for (int round = 0; round < 5000; ++round) {
    std::string text = line + line;
    text.resize(random() % (text.size() + 1));
    for (auto i = random() % 6; i > 0 && !text.empty(); --i)
      text[random() % text.size()] = "\n -,:09x\0"[random() % 9];
    const auto mounts = parse_mountinfo(text);
    refused += !mounts;
    EXPECT_TRUE(mounts || mounts.error().rule == "proc.mountinfo");
  }
  EXPECT_GT(refused, 100);
}

TEST(Limits, Lines) {
  const auto limits = parse_limits(
      "Limit                     Soft Limit           Hard Limit           Units     \n"
      "Max cpu time              unlimited            10                   seconds   \n"
      "Max open files            1024                 524288               files     \n"
      "Max nice priority         0                    7                    \n"
      "Max realtime timeout      unlimited            unlimited            us        \n"
      "Max something new         1                    2                    pieces    \n");
  ASSERT_TRUE(limits) << limits.error().message();
  EXPECT_EQ(limits->size(), 4u);
  EXPECT_EQ(limits->at("RLIMIT_CPU").soft, RLIM_INFINITY);
  EXPECT_EQ(limits->at("RLIMIT_CPU").hard, 10u);
  EXPECT_EQ(limits->at("RLIMIT_NOFILE").soft, 1024u);
  EXPECT_EQ(limits->at("RLIMIT_NOFILE").hard, 524288u);
  EXPECT_EQ(limits->at("RLIMIT_NICE").hard, 7u);
  EXPECT_EQ(limits->at("RLIMIT_RTTIME").hard, RLIM_INFINITY);
}

TEST(Limits, Malformed) {
  EXPECT_EQ(rule_of(parse_limits("Max open files            1024")), "proc.limits");
  EXPECT_EQ(rule_of(parse_limits("Max open files")), "proc.limits");
}

// A process as init would leave it, for observe() to look at.
class Subject {
 public:
  explicit Subject(std::uint64_t flags) {
    auto stop = kernel_.socketpair(SOCK_SEQPACKET);
    auto child = kernel_.clone3({.flags = flags});
    if (child->pid == 0) live(stop->second.get());
    child_ = std::move(*child);
    socket_ = std::move(stop->first);
    EXPECT_EQ(kernel_.recv(socket_.get(), 16)->bytes, "ready");
  }
  Subject(const Subject&) = delete;
  Subject& operator=(const Subject&) = delete;
  ~Subject() {
    ::kill(child_.pid, SIGKILL);
    ::waitpid(child_.pid, nullptr, 0);
  }
  pid_t pid() const { return child_.pid; }

  static constexpr int kLeaked = 77;

 private:
  [[noreturn]] void live(int socket) {
    const rlimit limit{.rlim_cur = 33, .rlim_max = 44};
    const bool ready = ::dup2(socket, kLeaked) == kLeaked && kernel_.setsid() &&
                       kernel_.setrlimit(RLIMIT_NOFILE, limit) &&
                       kernel_.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
                       kernel_.prctl(PR_CAPBSET_DROP, 10, 0, 0, 0) && kernel_.setgroups({5, 7}) &&
                       kernel_.setresgid(100) && kernel_.setresuid(1000);
    if (ready) static_cast<void>(kernel_.send(socket, "ready", {}));
    for (;;) ::pause();
  }

  sys::RealKernel kernel_;
  sys::Child child_;
  UniqueFd socket_;
};

TEST(Observe, AProcess) {
  sys::RealKernel kernel;
  const Subject subject(CLONE_NEWUTS | CLONE_NEWNS);
  const plan::Plan plan{{plan::Namespaces{{{oci::NamespaceType::uts, ""},
                                           {oci::NamespaceType::mount, ""},
                                           {oci::NamespaceType::ipc, "/proc/self/ns/ipc"}}},
                         plan::MaskPath{"/proc"}, plan::MaskPath{"/proc/absent"}}};
  const auto seen =
      observe(kernel, plan, {.pid = subject.pid(), .attached = {{3, 41}, {3, 42}, {4, 0}}});
  ASSERT_TRUE(seen) << seen.error().message();
  EXPECT_EQ(seen->uids, (std::array<std::uint32_t, 4>{1000, 1000, 1000, 1000}));
  EXPECT_EQ(seen->gids, (std::array<std::uint32_t, 4>{100, 100, 100, 100}));
  EXPECT_EQ(seen->groups, (std::vector<std::uint32_t>{5, 7}));
  EXPECT_TRUE(seen->no_new_privileges);
  EXPECT_TRUE(seen->session_leader);
  EXPECT_EQ(seen->seccomp_filters, 0);
  EXPECT_EQ(seen->cap_effective, 0u);
  EXPECT_EQ(seen->cap_bounding >> 10 & 1, 0u);
  EXPECT_NE(seen->cap_bounding, 0u);
  EXPECT_EQ(seen->limits.at("RLIMIT_NOFILE").soft, 33u);
  EXPECT_EQ(seen->limits.at("RLIMIT_NOFILE").hard, 44u);
  EXPECT_EQ(seen->limits.size(), std::size_t{RLIM_NLIMITS});
  const auto& spaces = seen->namespaces;
  EXPECT_NE(spaces.at("uts").container, spaces.at("uts").host);
  EXPECT_NE(spaces.at("mount").container, spaces.at("mount").host);
  EXPECT_EQ(spaces.at("ipc").container, spaces.at("ipc").asked);
  EXPECT_NE(spaces.at("ipc").asked, 0u);
  EXPECT_EQ(seen->mount_ids,
            (std::map<std::size_t, std::vector<std::uint64_t>>{{3, {41, 42}}, {4, {0}}}));
  const auto proc = std::find_if(seen->mounts.begin(), seen->mounts.end(),
                                 [](const auto& mount) { return mount.point == "/proc"; });
  ASSERT_NE(proc, seen->mounts.end());
  EXPECT_EQ(seen->mount_at, (std::map<std::size_t, std::uint64_t>{{1, proc->id}, {2, 0}}));
  EXPECT_EQ(std::count_if(seen->mounts.begin(), seen->mounts.end(),
                          [](const auto& mount) { return mount.point == "/"; }),
            1);
  // Nobody has looked at control groups yet: that is the caller's.
  EXPECT_FALSE(seen->in_cgroup);
}

TEST(Observe, DescriptorsThatInitDoesNotOwnAreSeen) {
  sys::RealKernel kernel;
  const Subject subject(0);
  const auto all = observe(kernel, {}, {.pid = subject.pid()});
  ASSERT_TRUE(all) << all.error().message();
  std::vector<int> others = all->descriptors;
  ASSERT_NE(std::find(others.begin(), others.end(), Subject::kLeaked), others.end());
  EXPECT_EQ(*std::min_element(others.begin(), others.end()) > 2, true);
  const auto none = observe(kernel, {}, {.pid = subject.pid(), .own_descriptors = others});
  ASSERT_TRUE(none);
  EXPECT_TRUE(none->descriptors.empty());
  std::erase(others, Subject::kLeaked);
  const auto leaked = observe(kernel, {}, {.pid = subject.pid(), .own_descriptors = others});
  ASSERT_TRUE(leaked);
  EXPECT_EQ(leaked->descriptors, std::vector<int>{Subject::kLeaked});
  EXPECT_EQ(rule_of(plan::check({}, *leaked)), "readback.descriptors");
}

// /proc shows the host's numbers: with id maps they are the container's again.
TEST(Observe, IdsAreTheContainers) {
  sys::RealKernel kernel;
  const Subject subject(0);
  const plan::Plan plan{{plan::IdMaps{{{0, 900, 200}}, {{50, 0, 200}}}}};
  const auto seen = observe(kernel, plan, {.pid = subject.pid()});
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->uids[0], 100u);
  EXPECT_EQ(seen->gids[0], 150u);
  EXPECT_EQ(seen->groups, (std::vector<std::uint32_t>{55, 57}));
  EXPECT_EQ(seen->machine_capabilities, ~std::uint64_t{0});
}

TEST(Observe, WhatCannotBeSeenIsAnError) {
  sys::RealKernel kernel;
  EXPECT_EQ(errno_of(observe(kernel, {}, {.pid = 2147483646})), ENOENT);
  const Subject subject(0);
  const plan::Plan plan{{plan::Namespaces{{{oci::NamespaceType::ipc, "/absent"}}}}};
  EXPECT_EQ(errno_of(observe(kernel, plan, {.pid = subject.pid()})), ENOENT);
}

}  // namespace
}  // namespace casemate::apply
