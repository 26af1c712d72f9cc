#include "shim/apply/hooks.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <csignal>

namespace casemate::apply {
namespace {

constexpr int kProgramFd = 3;
constexpr int kLastWords = 512;
constexpr int kDefaultTimeout = 50;  // seconds; below what init's parent waits

// A file in memory: the hook may read or write as much as it likes without anyone waiting for it.
Result<UniqueFd> memory_file(std::string_view content) {
  UniqueFd file(::memfd_create("hook", MFD_CLOEXEC));
  if (!file) return sys_error("memfd_create for a hook");
  if (::pwrite(file.get(), content.data(), content.size(), 0) !=
      static_cast<ssize_t>(content.size()))
    return sys_error("write a hook's input");
  return file;
}

[[noreturn]] void become_hook(sys::Kernel& kernel, const oci::Hook& hook, int program, int input,
                              int output) {
  const auto step = [](const Status& done) {
    if (!done) ::_exit(127);
  };
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);  // `run` blocks what it passes on
  // Above the numbers that are about to be assigned.
  const int safe_program = ::fcntl(program, F_DUPFD_CLOEXEC, 10);
  const int safe_output = ::fcntl(output, F_DUPFD_CLOEXEC, 10);
  step(kernel.dup2(input, STDIN_FILENO));
  step(kernel.dup2(safe_output, STDOUT_FILENO));
  step(kernel.dup2(safe_output, STDERR_FILENO));
  // Inheritable, or the kernel could not open a script by this descriptor.
  step(kernel.dup2(safe_program, kProgramFd));
  step(kernel.close_range(kProgramFd + 1, ~0U, CLOSE_RANGE_CLOEXEC));
  const std::vector<std::string> args =
      hook.args.empty() ? std::vector<std::string>{hook.path} : hook.args;
  static_cast<void>(kernel.execveat(kProgramFd, "", args, hook.env, AT_EMPTY_PATH));
  ::_exit(127);
}

std::string last_words(int output) {
  std::string text(kLastWords, '\0');
  const off_t size = ::lseek(output, 0, SEEK_END);
  const off_t from = size > kLastWords ? size - kLastWords : 0;
  const ssize_t got = ::pread(output, text.data(), text.size(), from);
  text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

// The hook's end within its time; it is killed otherwise, and reaped in any case.
Result<siginfo_t> wait_for(const sys::Child& child, const oci::Hook& hook) {
  pollfd ended{.fd = child.pidfd.get(), .events = POLLIN, .revents = 0};
  const int limit_s = std::min(hook.timeout_s.value_or(kDefaultTimeout), INT_MAX / 1000);
  const int limit = limit_s * 1000;
  int ready = 0;
  do ready = ::poll(&ended, 1, limit);
  while (ready < 0 && errno == EINTR);
  if (ready == 0) ::kill(child.pid, SIGKILL);
  siginfo_t info{};
  if (::waitid(P_PIDFD, static_cast<id_t>(child.pidfd.get()), &info, WEXITED) != 0)
    return sys_error("wait for hook " + hook.path);
  if (ready == 0)
    return internal("hook.timeout", "hook " + hook.path + " took longer than its " +
                                        std::to_string(limit_s) + " s");
  return info;
}

}  // namespace

Status run_hook(sys::Kernel& kernel, const oci::Hook& hook, int program,
                const std::string& state_json) {
  const UniqueFd input = TRY(memory_file(state_json));
  const UniqueFd output = TRY(memory_file({}));
  const sys::Child child = TRY(kernel.clone3({}));
  if (child.pid == 0) become_hook(kernel, hook, program, input.get(), output.get());
  const siginfo_t info = TRY(wait_for(child, hook));
  if (info.si_code == CLD_EXITED && info.si_status == 0) return {};
  return internal("hook.failed",
                  "hook " + hook.path +
                      (info.si_code == CLD_EXITED ? " exited with " : " died of signal ") +
                      std::to_string(info.si_status) + ": " + last_words(output.get()),
                  "the hook's own words stand above");
}

Status run_hooks(sys::Kernel& kernel, const std::vector<oci::Hook>& hooks, const HostPaths& paths,
                 const std::string& state_json) {
  for (const oci::Hook& hook : hooks)
    TRY(run_hook(kernel, hook, TRY(paths.fd(hook.path)), state_json));
  return {};
}

namespace {

// Hooks in the container's namespaces are told the pid that they themselves see.
std::string own_state(const InitContext& context, std::string_view status) {
  Json state = context.state;
  state["status"] = status;
  state["pid"] = ::getpid();
  return dump(state);
}

}  // namespace

Status run_create_hooks(InitContext& context, const plan::RunHooks& step, std::size_t index) {
  const auto& programs = context.prepared.hooks[index];
  if (programs.size() != step.hooks.size())
    return internal("hook.unprepared", "the parent opened " + std::to_string(programs.size()) +
                                           " of " + std::to_string(step.hooks.size()) + " hooks");
  for (std::size_t i = 0; i < step.hooks.size(); ++i)
    TRY(run_hook(context.kernel, step.hooks[i], programs[i].get(), own_state(context, "creating")));
  return {};
}

Status run_start_hooks(InitContext& context) {
  const open_how how{.flags = O_PATH | O_CLOEXEC, .mode = 0, .resolve = 0};
  for (const plan::Step& step : context.plan.steps) {
    const auto* hooks = std::get_if<plan::RunHooks>(&step);
    if (hooks == nullptr || hooks->phase != "startContainer") continue;
    for (const oci::Hook& hook : hooks->hooks) {
      const UniqueFd program = TRY(context.kernel.openat2(AT_FDCWD, hook.path, how));
      TRY(run_hook(context.kernel, hook, program.get(), own_state(context, "created")));
    }
  }
  return {};
}

}  // namespace casemate::apply
