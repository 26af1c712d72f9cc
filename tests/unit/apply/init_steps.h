// Single steps of init on a root file system that an attacker prepared, each in a process with
// mounts of its own.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

#include "shim/apply/init.h"
#include "shim/apply/observe.h"
#include "shim/apply/steps.h"
#include "shim/sys/faulty_kernel.h"
#include "tests/unit/base/outcome.h"
#include "tests/unit/fs/scratch.h"
#include "tests/unit/sys/in_child.h"

namespace casemate::apply {

using fs::Scratch;
using plan::AttachMount;
using plan::MakeDevice;
using plan::MaskPath;
using plan::MountKind;

inline constexpr unsigned kClone = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH;

// What a step works with, inside the child. What does not hold is collected for the parent.
class Container {
 public:
  Container(const Scratch& scratch, UniqueFd root) : scratch_(scratch) {
    ::umask(0);
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) problems += "private; ";
    context.root.emplace(kernel, std::move(root));
  }

  // Appends the step to the plan and executes it; its rule, or "(success)".
  template <class S>
  std::string add(S step) {
    plan.steps.emplace_back(std::move(step));
    const std::size_t index = plan.steps.size() - 1;
    const S& added = std::get<S>(plan.steps[index]);
    Status done;
    if constexpr (requires { apply(context, added, index); })
      done = apply(context, added, index);
    else
      done = apply(context, added);
    last_errno = errno_of(done);
    return rule_of(done);
  }
  template <class A, class B>
  void equal(const char* what, const A& found, const B& wanted) {
    if (found == wanted) return;
    std::ostringstream text;
    text << what << ": " << found << " instead of " << wanted << "; ";
    problems += text.str();
  }
  void expect(const char* what, bool holds) { equal(what, holds, true); }
  void ok(const char* what, const std::string& rule) { equal(what, rule, "(success)"); }
  // errno of making a file there; 0 when that is possible.
  int write_errno(const std::string& name) {
    const UniqueFd file(::open((scratch_ / ("root/" + name)).c_str(), O_WRONLY | O_CREAT, 0600));
    return file ? 0 : errno;
  }
  UniqueFd tmpfs() {
    const UniqueFd fs = std::move(kernel.fsopen("tmpfs").value());
    expect("tmpfs", kernel.fsconfig_create(fs.get()).has_value());
    return std::move(kernel.fsmount(fs.get(), 0).value());
  }
  std::string mountinfo() { return fs::ProcFs::open(kernel)->read("self/mountinfo").value(); }
  // What the read-back says about the steps so far.
  std::string check_mounts() {
    plan::Observed seen{.session_leader = true};
    seen.mounts = parse_mountinfo(mountinfo()).value();
    for (const Attached& one : context.attached) seen.mount_ids[one.step].push_back(one.mount_id);
    seen.mount_at =
        mounts_at(fs::SafeRoot(real, UniqueFd(::dup(context.root->fd()))), plan).value();
    return rule_of(plan::check(plan, seen));
  }

  sys::RealKernel real;
  sys::FaultyKernel kernel{real};
  plan::Plan plan;
  Prepared prepared;
  InitContext context{.kernel = kernel, .plan = plan, .prepared = prepared};
  std::string problems;
  int last_errno = 0;

 private:
  const Scratch& scratch_;
};

class InitSteps : public testing::Test {
 protected:
  void run(const std::function<void(Container&)>& body, std::uint64_t flags = 0) {
    EXPECT_EQ(sys::in_child(CLONE_NEWNS | flags,
                            [&] {
                              Container container(scratch, scratch.open_root());
                              body(container);
                              return container.problems;
                            }),
              "");
    EXPECT_TRUE(scratch.outside_is_untouched());
  }
  void device(const std::string& name, unsigned minor) {
    ASSERT_EQ(::mknod((scratch / ("root/" + name)).c_str(), S_IFCHR | 0666, ::makedev(1, minor)),
              0);
  }
  struct stat status(const std::string& name) {
    struct stat facts = {};
    EXPECT_EQ(::lstat((scratch / ("root/" + name)).c_str(), &facts), 0) << name;
    return facts;
  }
  Scratch scratch;
};

inline MakeDevice null_device() {
  return {{.path = "/dev/null", .type = 'c', .major = 1, .minor = 3, .file_mode = 0640}};
}
inline AttachMount filesystem(const std::string& type, const std::string& destination) {
  return {.kind = MountKind::filesystem, .destination = destination, .type = type, .source = type};
}
inline AttachMount prepared_mount(MountKind kind, const std::string& destination) {
  return {.kind = kind, .destination = destination};
}

}  // namespace casemate::apply
