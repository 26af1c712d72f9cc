#include "shim/cli/command.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace casemate::cli {
namespace {

constexpr std::array kCreateOptions = {
    OptionSpec{"--bundle", 'b', true, "folder with config.json (default: the current one)"},
    OptionSpec{"--pid-file", 0, true, "file for the pid of the container's init"},
    OptionSpec{"--console-socket", 0, true, "AF_UNIX socket that receives the terminal"},
    OptionSpec{"--preserve-fds", 0, true, "pass this many descriptors from 3 on"},
    OptionSpec{"--no-pivot", 0, false, "refused: a root that can be left is no root"},
    OptionSpec{"--no-new-keyring", 0, false, "refused: keyrings separate containers"},
    OptionSpec{"--pidfd-socket", 0, true, "refused in this version"},
};
constexpr std::array kRunOptions = {
    OptionSpec{"--bundle", 'b', true, "folder with config.json (default: the current one)"},
    OptionSpec{"--pid-file", 0, true, "file for the pid of the container's init"},
    OptionSpec{"--console-socket", 0, true, "AF_UNIX socket that receives the terminal"},
    OptionSpec{"--preserve-fds", 0, true, "pass this many descriptors from 3 on"},
    OptionSpec{"--detach", 'd', false, "return once the container runs"},
    OptionSpec{"--job", 0, true, "file with the signed job request"},
    OptionSpec{"--progress", 0, false, "say each step and its time on stderr"},
    OptionSpec{"--no-pivot", 0, false, "refused: a root that can be left is no root"},
    OptionSpec{"--no-new-keyring", 0, false, "refused: keyrings separate containers"},
    OptionSpec{"--pidfd-socket", 0, true, "refused in this version"},
};
constexpr std::array kExecOptions = {
    OptionSpec{"--process", 'p', true, "file with the OCI process, instead of a command"},
    OptionSpec{"--cwd", 0, true, "working directory"},
    OptionSpec{"--env", 'e', true, "NAME=VALUE; may be repeated"},
    OptionSpec{"--user", 'u', true, "UID[:GID], as numbers"},
    OptionSpec{"--additional-gids", 'g', true, "a further group; may be repeated"},
    OptionSpec{"--cap", 'c', true, "a further capability; may be repeated"},
    OptionSpec{"--no-new-privs", 0, false, "gain nothing from set-user-id programs"},
    OptionSpec{"--process-label", 0, true, "SELinux label: the container's own"},
    OptionSpec{"--tty", 't', false, "with a terminal"},
    OptionSpec{"--console-socket", 0, true, "AF_UNIX socket that receives the terminal"},
    OptionSpec{"--detach", 'd', false, "return once the program runs"},
    OptionSpec{"--pid-file", 0, true, "file for the pid of the process"},
    OptionSpec{"--preserve-fds", 0, true, "pass this many descriptors from 3 on"},
    OptionSpec{"--ignore-paused", 0, false, "join a paused container too, and wait"},
    OptionSpec{"--cgroup", 0, true, "[CONTROLLER:]PATH below the container's own; may be repeated"},
    OptionSpec{"--apparmor", 0, true, "refused: no AppArmor in this version"},
    OptionSpec{"--pidfd-socket", 0, true, "refused in this version"},
};
constexpr std::array kKillOptions = {OptionSpec{"--all", 'a', false, "signal every process"}};
constexpr std::array kDeleteOptions = {
    OptionSpec{"--force", 'f', false, "end the container first; unknown ones are no error"}};
constexpr std::array kListOptions = {OptionSpec{"--format", 'f', true, "table (default) or json"},
                                     OptionSpec{"--quiet", 'q', false, "ids only"}};
constexpr std::array kPsOptions = {OptionSpec{"--format", 'f', true, "table (default) or json"}};
constexpr std::array kUpdateOptions = {
    OptionSpec{"--resources", 'r', true, "file with linux.resources as JSON, or - for stdin"},
    OptionSpec{"--memory", 0, true, "bytes, or as 64m; -1 is no limit"},
    OptionSpec{"--memory-reservation", 0, true, "soft limit, likewise"},
    OptionSpec{"--memory-swap", 0, true, "sum of memory and swap, likewise"},
    OptionSpec{"--kernel-memory", 0, true, "ignored"},
    OptionSpec{"--kernel-memory-tcp", 0, true, "ignored"},
    OptionSpec{"--cpu-period", 0, true, "microseconds"},
    OptionSpec{"--cpu-quota", 0, true, "microseconds in each period; -1 is no limit"},
    OptionSpec{"--cpu-burst", 0, true, "microseconds beyond the quota"},
    OptionSpec{"--cpu-share", 0, true, "weight against other containers"},
    OptionSpec{"--cpu-idle", 0, true, "1: only what others leave"},
    OptionSpec{"--cpu-rt-period", 0, true, "microseconds"},
    OptionSpec{"--cpu-rt-runtime", 0, true, "microseconds in each period"},
    OptionSpec{"--cpuset-cpus", 0, true, "processors, as 0-3,7"},
    OptionSpec{"--cpuset-mems", 0, true, "memory nodes"},
    OptionSpec{"--pids-limit", 0, true, "processes; -1 is no limit"},
    OptionSpec{"--blkio-weight", 0, true, "10 to 1000"},
    OptionSpec{"--l3-cache-schema", 0, true, "refused in this version"},
    OptionSpec{"--mem-bw-schema", 0, true, "refused in this version"},
};
constexpr std::array kEventsOptions = {
    OptionSpec{"--stats", 0, false, "figures once, then exit"},
    OptionSpec{"--interval", 0, true, "between figures (default 5s)"}};
constexpr std::array kSpecOptions = {
    OptionSpec{"--bundle", 'b', true, "folder to write config.json to"}};
constexpr std::span<const OptionSpec> kNone;
constexpr std::size_t kAny = SIZE_MAX;

constexpr std::array kCommands = {
    Command{"create", "[options] ID", "prepare a container; nothing of the image runs yet",
            kCreateOptions, 1, 1, create_command},
    Command{"start", "ID", "let a created container run its program", kNone, 1, 1, start_command},
    Command{"run", "[options] ID", "create, start, wait and delete", kRunOptions, 1, 1,
            run_command},
    Command{"state", "ID", "print the OCI state", kNone, 1, 1, state_command},
    Command{"kill", "[--all] ID [SIGNAL]", "send a signal (default TERM)", kKillOptions, 1, 2,
            kill_command},
    Command{"delete", "[--force] ID", "remove a stopped container, once its data is wiped",
            kDeleteOptions, 1, 1, delete_command},
    Command{"exec", "[options] ID [COMMAND]...", "run a further program in a container",
            kExecOptions, 1, kAny, exec_command},
    Command{"list", "[--format json]", "containers of this --root", kListOptions, 0, 0,
            list_command},
    Command{"ps", "[-f FORMAT] ID [PS OPTION]...", "list the processes of a container", kPsOptions,
            1, kAny, ps_command},
    Command{"pause", "ID", "stop every process of a container", kNone, 1, 1, pause_command},
    Command{"resume", "ID", "let a paused container go on", kNone, 1, 1, resume_command},
    Command{"update", "[options] ID", "change the limits of a container", kUpdateOptions, 1, 1,
            update_command},
    Command{"events", "[options] ID", "print what a container uses, and lack of memory",
            kEventsOptions, 1, 1, events_command},
    Command{"spec", "[--bundle DIR]", "write a config.json to start from", kSpecOptions, 0, 0,
            spec_command},
    Command{"features", "", "what this runtime serves, as JSON", kNone, 0, 0, features_command},
};

struct Unserved {
  std::string_view name;
  std::string_view why;
};
constexpr std::array kUnserved = {
    Unserved{"checkpoint", "a checkpoint, which would be the tenant's plaintext on disk,"},
    Unserved{"restore", "restoring a checkpoint"},
};

}  // namespace

std::span<const Command> commands() {
  return kCommands;
}

std::span<const OptionSpec> update_options() {
  return std::span(kUpdateOptions).subspan(1);
}

Result<const Command*> find_command(std::string_view name) {
  const auto served = std::find_if(kCommands.begin(), kCommands.end(),
                                   [&](const Command& one) { return one.name == name; });
  if (served != kCommands.end()) return &*served;
  for (const Unserved& one : kUnserved)
    if (one.name == name)
      return unsupported("command." + std::string(name),
                         std::string(one.why) + " is not served by this version",
                         "see `casemate --help` for what is");
  return bad_input("cli.command", "unknown command \"" + printable(name) + "\"",
                   "see `casemate --help`");
}

}  // namespace casemate::cli
