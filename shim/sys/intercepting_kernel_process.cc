// Namespaces, identity and processes.

#include "shim/sys/intercept.h"
#include "shim/sys/intercepting_kernel.h"
#include "shim/sys/render.h"

namespace casemate::sys {

Result<Child> InterceptingKernel::clone3(const CloneArgs& args) {
  // Nobody can pretend to be two processes: only a failure keeps it from the real one.
  const Verdict verdict = decide("clone3", render_clone(args.flags));
  if (verdict.kind == Verdict::fail) return sys_error("clone3 (injected)", verdict.error);
  return inner_.clone3(args);
}

Status InterceptingKernel::setns(int fd, int type) {
  return intercept<void>(*this, "setns", render_clone(static_cast<unsigned>(type)),
                         [&] { return inner_.setns(fd, type); });
}

Status InterceptingKernel::unshare(int flags) {
  return intercept<void>(*this, "unshare", render_clone(static_cast<unsigned>(flags)),
                         [&] { return inner_.unshare(flags); });
}

Status InterceptingKernel::sethostname(const std::string& name) {
  return intercept<void>(*this, "sethostname", printable(name),
                         [&] { return inner_.sethostname(name); });
}

Status InterceptingKernel::setdomainname(const std::string& name) {
  return intercept<void>(*this, "setdomainname", printable(name),
                         [&] { return inner_.setdomainname(name); });
}

Status InterceptingKernel::setsid() {
  return intercept<void>(*this, "setsid", "", [&] { return inner_.setsid(); });
}

Status InterceptingKernel::setgroups(const std::vector<gid_t>& groups) {
  return intercept<void>(*this, "setgroups", render_numbers(groups),
                         [&] { return inner_.setgroups(groups); });
}

Status InterceptingKernel::setresgid(gid_t gid) {
  return intercept<void>(*this, "setresgid", std::to_string(gid),
                         [&] { return inner_.setresgid(gid); });
}

Status InterceptingKernel::setresuid(uid_t uid) {
  return intercept<void>(*this, "setresuid", std::to_string(uid),
                         [&] { return inner_.setresuid(uid); });
}

Status InterceptingKernel::setrlimit(int resource, const rlimit& limit) {
  return intercept<void>(*this, "setrlimit", render_limit(resource, limit),
                         [&] { return inner_.setrlimit(resource, limit); });
}

Status InterceptingKernel::prctl(int option, unsigned long a2, unsigned long a3, unsigned long a4,
                                 unsigned long a5) {
  return intercept<void>(
      *this, "prctl", std::to_string(option) + " " + std::to_string(a2) + " " + std::to_string(a3),
      [&] { return inner_.prctl(option, a2, a3, a4, a5); });
}

Status InterceptingKernel::capset(const CapabilitySets& sets) {
  return intercept<void>(*this, "capset", render_capabilities(sets),
                         [&] { return inner_.capset(sets); });
}

Status InterceptingKernel::seccomp_load(unsigned flags, std::span<const sock_filter> program) {
  return intercept<void>(
      *this, "seccomp",
      std::to_string(program.size()) + " instructions, flags " + std::to_string(flags),
      [&] { return inner_.seccomp_load(flags, program); });
}

Status InterceptingKernel::new_session_keyring(const std::string& name) {
  return intercept<void>(*this, "keyctl", "JOIN_SESSION_KEYRING " + printable(name),
                         [&] { return inner_.new_session_keyring(name); });
}

Result<UniqueFd> InterceptingKernel::pidfd_open(pid_t pid) {
  return intercept<UniqueFd>(*this, "pidfd_open", "", [&] { return inner_.pidfd_open(pid); });
}

Status InterceptingKernel::pidfd_send_signal(int pidfd, int signal) {
  return intercept<void>(*this, "pidfd_send_signal", std::to_string(signal),
                         [&] { return inner_.pidfd_send_signal(pidfd, signal); });
}

Status InterceptingKernel::execveat(int fd, const std::string& path,
                                    const std::vector<std::string>& args,
                                    const std::vector<std::string>& env, int flags) {
  return intercept<void>(*this, "execveat",
                         printable(path) + " " + render_list(args) + " " + render_list(env),
                         [&] { return inner_.execveat(fd, path, args, env, flags); });
}

Result<std::pair<UniqueFd, UniqueFd>> InterceptingKernel::socketpair(int type) {
  return intercept<std::pair<UniqueFd, UniqueFd>>(*this, "socketpair", "",
                                                  [&] { return inner_.socketpair(type); });
}

Status InterceptingKernel::send(int socket, std::string_view message, std::span<const int> fds) {
  return intercept<void>(*this, "sendmsg", std::to_string(fds.size()) + " descriptors",
                         [&] { return inner_.send(socket, message, fds); });
}

Result<Kernel::Message> InterceptingKernel::recv(int socket, std::size_t at_most) {
  return intercept<Kernel::Message>(*this, "recvmsg", "",
                                    [&] { return inner_.recv(socket, at_most); });
}

Result<long> InterceptingKernel::bpf(int command, bpf_attr& attributes) {
  return intercept<long>(*this, "bpf", std::to_string(command),
                         [&] { return inner_.bpf(command, attributes); });
}

}  // namespace casemate::sys
