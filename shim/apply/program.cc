#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shim/apply/attach.h"
#include "shim/apply/hooks.h"
#include "shim/apply/init.h"
#include "shim/apply/steps.h"

namespace casemate::apply {
namespace {

// Engines look for these words and turn them into exit codes 127 and 126.
std::unexpected<Error> not_found(const std::string& name) {
  return bad_input("process.not-found",
                   "exec: \"" + name + "\": executable file not found in $PATH",
                   "check the command and the image", "/process/args/0");
}

// Read back, for only the process itself can see where it is without resolving a path.
Status check_here(const struct stat& wanted) {
  struct stat here{};
  const bool same =
      ::stat(".", &here) == 0 && here.st_dev == wanted.st_dev && here.st_ino == wanted.st_ino;
  if (same) return {};
  return internal("readback.cwd", "the working directory is another one than was planned");
}

bool is_program(const std::string& path) {
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
         ::access(path.c_str(), X_OK) == 0;
}

}  // namespace

// Resolved in the root (a working directory such as /proc/self/fd/7 stays inside: CVE-2024-21626),
// made when absent, as engines expect of create.
Status apply(InitContext& context, const plan::SetWorkingDirectory& step) {
  auto directory = step.make ? context.root->make_directory(step.path)
                             : context.root->open(step.path, O_PATH | O_DIRECTORY);
  if (!directory && !step.make && is_errno(directory.error(), ENOENT))
    return bad_input("process.cwd-absent",
                     "chdir to cwd (\"" + step.path + "\"): no such file or directory",
                     "name a directory of the container", "/cwd");
  if (!directory) return std::unexpected(std::move(directory.error()));
  TRY(context.kernel.fchdir(directory->get()));
  return check_here(TRY(stat_of(context.kernel, directory->get())));
}

// After pivot_root(2) and the change of user, paths are the container's and so are the permissions.
Status apply(InitContext& context, const plan::ResolveProgram& step) {
  const std::string& name = step.name;
  if (name.find('/') != std::string::npos) {
    struct stat status{};
    if (::stat(name.c_str(), &status) != 0 && errno == ENOENT)
      return bad_input("process.not-found", "exec: \"" + name + "\": no such file or directory",
                       "check the command and the image", "/process/args/0");
    context.executable = name;
    return {};
  }
  std::string_view rest = step.search_path;
  while (!rest.empty()) {
    const auto colon = rest.find(':');
    const std::string directory(rest.substr(0, colon));
    const std::string candidate = (directory.empty() ? "." : directory) + "/" + name;
    if (is_program(candidate)) {
      context.executable = candidate;
      return {};
    }
    rest.remove_prefix(colon == std::string_view::npos ? rest.size() : colon + 1);
  }
  return not_found(name);
}

Error execute(InitContext& context) {
  if (const Status run = run_start_hooks(context); !run) return run.error();
  const auto& step = *context.plan.find<plan::Execute>();
  const Status done = context.kernel.execveat(AT_FDCWD, context.executable, step.args, step.env, 0);
  if (done)
    return internal("process.exec", "\"" + context.executable + "\" was not executed").error();
  const int error = done.error().sys_errno;
  if (error == EACCES || error == EPERM)
    return {.cls = ErrorClass::bad_input,
            .rule = "process.permission",
            .what = "exec: \"" + context.executable + "\": permission denied",
            .hint = "make the program executable for the container's user",
            .pointer = "/process/args/0",
            .sys_errno = error};
  return Error(done.error()).with_context("exec " + context.executable);
}

}  // namespace casemate::apply
