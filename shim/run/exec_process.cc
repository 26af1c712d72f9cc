#include "shim/run/exec_process.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "shim/apply/init.h"
#include "shim/apply/observe.h"
#include "shim/plan/check.h"
#include "shim/plan/names.h"
#include "shim/run/child_namespace.h"
#include "shim/run/child_side.h"
#include "shim/run/init_process.h"
#include "shim/run/initial_affinity.h"
#include "shim/run/preserved_fds.h"
#include "shim/sys/inherited.h"

namespace casemate::run {
namespace {

using oci::NamespaceType;

constexpr std::array kAllNamespaces = {
    NamespaceType::pid, NamespaceType::network, NamespaceType::mount,  NamespaceType::ipc,
    NamespaceType::uts, NamespaceType::user,    NamespaceType::cgroup, NamespaceType::time};

std::string namespace_link(const std::string& process, NamespaceType type) {
  return "/proc/" + process + "/ns/" + apply::proc_name(type);
}

Result<ino_t> namespace_inode(sys::Kernel& kernel, const std::string& process, NamespaceType type) {
  return TRY(kernel.fstatat(AT_FDCWD, namespace_link(process, type), 0)).st_ino;
}

// setns(2) flags of those namespaces in which init is and we are not. To join one's own user
// namespace is an error, and to join another of one's own is nothing.
Result<int> namespaces_to_join(sys::Kernel& kernel, pid_t init) {
  int flags = 0;
  for (const NamespaceType type : kAllNamespaces) {
    const ino_t own = TRY(namespace_inode(kernel, "self", type));
    const ino_t wanted = TRY(namespace_inode(kernel, std::to_string(init), type));
    if (own != wanted) flags |= static_cast<int>(plan::clone_flag(type));
  }
  return flags;
}

std::vector<int> kept(int sync_socket, int preserve_fds) {
  std::vector<int> keep = preserved_fds(preserve_fds);
  keep.push_back(sync_socket);
  return keep;
}

struct ChildArguments {
  const ExecArguments& exec;
  int join = 0;  // setns(2) flags
  std::span<const UniqueFd> cgroup_files;
  int sync_socket = -1;
};

Status close_first(sys::Kernel& kernel, const ChildArguments& arguments) {
  std::vector<int> keep = kept(arguments.sync_socket, arguments.exec.preserve_fds);
  keep.push_back(arguments.exec.target.init_pidfd.get());
  if (arguments.exec.console_socket >= 0) keep.push_back(arguments.exec.console_socket);
  for (const UniqueFd& file : arguments.cgroup_files) keep.push_back(file.get());
  return sys::close_all_but(kernel, std::move(keep));
}

// By init's pidfd, all at once: they are one process' namespaces. The user namespace comes last,
// for limits and labels are set with the host's rights, through a procfs that is our own.
Status join(sys::Kernel& kernel, const ChildArguments& arguments, apply::InitContext& before) {
  const int pidfd = arguments.exec.target.init_pidfd.get();
  const int first = arguments.join & ~(CLONE_NEWUSER | CLONE_NEWPID);
  if (first != 0) TRY(kernel.setns(pidfd, first));
  TRY(apply::build_container(before));
  if ((arguments.join & CLONE_NEWUSER) == 0) return {};
  TRY(kernel.setns(pidfd, CLONE_NEWUSER));
  return become_root_in_user_namespace(kernel, arguments.exec.plan.before_user);
}

// getcwd(2) says "(unreachable)" of a directory outside the root (CVE-2024-21626).
Status check_inside() {
  char path[PATH_MAX];
  if (::getcwd(path, sizeof path) != nullptr && path[0] == '/') return {};
  return denied("process.cwd-outside", "the working directory is not inside the container",
                "choose another working directory", "/cwd");
}

Status become_the_process(sys::Kernel& kernel, const ChildArguments& arguments,
                          apply::InitContext& before, apply::InitContext& context) {
  sys::reset_signals();
  TRY(close_first(kernel, arguments));
  TRY(cgroup::Cgroup::join_self(kernel, arguments.cgroup_files));
  TRY(kernel.setsid());
  TRY(join(kernel, arguments, before));
  const open_how how{.flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .mode = 0, .resolve = 0};
  context.root.emplace(kernel, TRY(kernel.openat2(AT_FDCWD, "/", how)));
  context.proc = std::move(before.proc);
  TRY(apply::build_container(context));
  TRY(check_inside());
  TRY(sys::close_all_but(kernel, kept(arguments.sync_socket, arguments.exec.preserve_fds)));
  TRY(apply::confine_init(context));
  return say(kernel, arguments.sync_socket, 'R', {});
}

[[noreturn]] void run_child(sys::Kernel& kernel, const ChildArguments& arguments) {
  apply::Prepared none;
  apply::InitContext before{
      .kernel = kernel, .plan = arguments.exec.plan.before_user, .prepared = none};
  apply::InitContext context{.kernel = kernel,
                             .plan = arguments.exec.plan.process,
                             .prepared = arguments.exec.prepared,
                             .console_socket = arguments.exec.console_socket};
  if (const Status done = become_the_process(kernel, arguments, before, context); !done)
    fail(kernel, arguments.sync_socket, done.error());
  if (!wait_for_go(kernel, arguments.sync_socket)) ::_exit(0);
  fail(kernel, arguments.sync_socket, apply::execute(context));
}

Status clone_child(sys::Kernel& kernel, const ChildArguments& arguments, UniqueFd& sync,
                   ExecChild& child) {
  ChildNamespace pid(kernel, CLONE_NEWPID);
  if ((arguments.join & CLONE_NEWPID) != 0) {
    TRY(pid.remember("pid"));
    TRY(kernel.setns(arguments.exec.target.init_pidfd.get(), CLONE_NEWPID));
  }
  InitialAffinity affinity(kernel);
  if (const auto* step = arguments.exec.plan.before_user.find<plan::InitialCpuAffinity>())
    TRY(affinity.enter(step->cpus));
  // In v2 it is born in the group; to move there would wait for the kernel's grace period.
  sys::Child cloned =
      TRY(kernel.clone3({.flags = 0, .cgroup_fd = arguments.exec.target.cgroup.v2_fd()}));
  if (cloned.pid == 0) {
    sync.reset();
    run_child(kernel, arguments);
  }
  child.pid = cloned.pid;
  child.pidfd = std::move(cloned.pidfd);
  return {};
}

Status check_namespaces(sys::Kernel& kernel, pid_t child, pid_t init) {
  for (const NamespaceType type : kAllNamespaces) {
    const ino_t found = TRY(namespace_inode(kernel, std::to_string(child), type));
    const ino_t wanted = TRY(namespace_inode(kernel, std::to_string(init), type));
    if (found != wanted)
      return internal("readback.namespaces",
                      "the process is in another " + std::string(oci::to_string(type)) +
                          " namespace than the container",
                      "the process was not started; report this");
  }
  return {};
}

Status read_back(sys::Kernel& kernel, const ExecArguments& arguments, pid_t child,
                 int child_socket) {
  const ExecTarget& target = arguments.target;
  const plan::Plan whole = arguments.plan.whole();
  apply::InitIdentity identity{
      .pid = child, .attached = {}, .own_descriptors = kept(child_socket, arguments.preserve_fds)};
  const plan::Observed observed = TRY(apply::observe(kernel, whole, identity));
  TRY(plan::check(whole, observed));
  TRY(check_namespaces(kernel, child, target.init));
  TRY(target.cgroup.check_member(child));
  // What was compared above was init's only if it lived to the end of it.
  if (init_lives(target)) return {};
  return internal("exec.ended", "the container ended while the process was prepared");
}

}  // namespace

Status launch_exec(sys::Kernel& kernel, const ExecArguments& arguments, ExecChild& child) {
  auto [sync, child_sync] = TRY(kernel.socketpair(SOCK_SEQPACKET));
  const auto cgroup_files = TRY(arguments.target.cgroup.open_for_self());
  const int flags = TRY(namespaces_to_join(kernel, arguments.target.init));
  TRY(kernel.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0));
  if (::prctl(PR_GET_DUMPABLE) != 0)
    return internal("readback.dumpable", "this process could be traced from the container");
  TRY(clone_child(kernel,
                  {.exec = arguments,
                   .join = flags,
                   .cgroup_files = cgroup_files,
                   .sync_socket = child_sync.get()},
                  sync, child));
  const int child_socket = child_sync.get();
  child_sync.reset();
  child.sync_socket = std::move(sync);
  TRY(receive_from_init(kernel, child.sync_socket.get(), arguments.deadline));
  return read_back(kernel, arguments, child.pid, child_socket);
}

Status release_exec(sys::Kernel& kernel, ExecChild& child, std::chrono::milliseconds deadline) {
  const int socket = child.sync_socket.get();
  TRY(kernel.send(socket, "g", {}));
  const auto message = receive_from_init(kernel, socket, deadline);
  // The socket was closed by execve(2), or by a death that its parent will see.
  if (!message && message.error().rule == "init.died") return {};
  if (!message) return std::unexpected(message.error());
  return internal("init.message", "the process said something else than an error");
}

}  // namespace casemate::run
