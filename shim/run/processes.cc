#include "shim/run/processes.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "shim/base/number.h"
#include "shim/cgroup/files.h"
#include "shim/fs/host_file.h"
#include "shim/run/container.h"

namespace casemate::run {
namespace {

constexpr std::size_t kMaxOutput = 64 << 20;

// As runc does: the ps of the caller's PATH, which is root's, with both its outputs in one pipe.
Result<pid_t> spawn_ps(const std::vector<std::string>& options, int output) {
  std::vector<char*> words = {const_cast<char*>("ps")};
  for (const std::string& option : options) words.push_back(const_cast<char*>(option.c_str()));
  words.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
  pid_t pid = -1;
  const int failed = ::posix_spawnp(&pid, "ps", &actions, nullptr, words.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) return sys_error("run ps", failed);
  return pid;
}

}  // namespace

Result<std::vector<pid_t>> processes(Runtime& runtime, const std::string& id) {
  auto directory = TRY(find_container(runtime, id));
  const warden::StateRecord record = TRY(directory.load_state());
  if (TRY(status_by(runtime, directory, record)) == "stopped") return std::vector<pid_t>();
  const auto group = TRY(cgroup_of(runtime, directory));
  auto pids = TRY(group.processes());
  std::erase(pids, 0);  // of a pid namespace that the caller does not see into
  return pids;
}

Result<std::string> filter_table(std::string_view output, const std::vector<pid_t>& pids) {
  const auto lines = cgroup::split(output, '\n');
  const auto heading = cgroup::words(lines.front());
  const auto column = std::ranges::find(heading, "PID");
  if (column == heading.end())
    return bad_input("ps.columns", "couldn't find PID field in ps output",
                     "choose a format of ps that has a column PID");
  const auto index = static_cast<std::size_t>(column - heading.begin());
  std::string table = printable(lines.front()) + "\n";
  for (const std::string_view line : std::span(lines).subspan(1)) {
    const auto fields = cgroup::words(line);
    if (fields.empty()) continue;
    const std::string_view field = index < fields.size() ? fields[index] : std::string_view("-");
    const auto pid = whole_number<pid_t>(field);
    if (!pid)
      return bad_input("ps.columns", "unable to parse pid: " + printable(field),
                       "choose a format of ps that has a process in each line");
    if (std::ranges::find(pids, *pid) != pids.end()) table += printable(line) + "\n";
  }
  return table;
}

Result<std::string> process_table(sys::Kernel& kernel, const std::vector<pid_t>& pids,
                                  const std::vector<std::string>& options) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return sys_error("make a pipe");
  const UniqueFd ours(ends[0]);
  UniqueFd theirs(ends[1]);
  const pid_t child =
      TRY(spawn_ps(options.empty() ? std::vector<std::string>{"-ef"} : options, theirs.get()));
  theirs.reset();
  const auto output = fs::read_to_end(kernel, ours.get(), "the output of ps", kMaxOutput);
  if (!output) ::kill(child, SIGKILL);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!output) return std::unexpected(output.error());
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    return internal("ps.failed", "ps failed: " + printable(*output), "see ps(1) for its options");
  return filter_table(*output, pids);
}

}  // namespace casemate::run
