// casemate: the OCI runtime's command line.
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cstdio>

#include "shim/base/clock.h"
#include "shim/cli/caller.h"
#include "shim/cli/command.h"
#include "shim/cli/readonly_self.h"
#include "shim/cli/report.h"
#include "shim/sys/heap.h"
#include "shim/sys/real_kernel.h"

namespace casemate::cli {
namespace {

constexpr std::size_t kCreateHeap = 512 * 1024;  // what it takes of it

constexpr std::array kGlobalOptions = {
    OptionSpec{"--root", 0, true, "folder that is part of a container's name"},
    OptionSpec{"--config", 0, true, "host configuration (default /etc/casemate/casemate.json)"},
    OptionSpec{"--log", 0, true, "file for the error line"},
    OptionSpec{"--log-format", 0, true, "text (default) or json"},
    OptionSpec{"--job", 0, true, "file with the signed job request"},
    OptionSpec{"--tenant", 0, true, "tenant of containers without a job request"},
    OptionSpec{"--systemd-cgroup", 0, false,
               "control groups are units of systemd's (slice:prefix:name)"},
    OptionSpec{"--rootless", 0, true, "refused unless false or auto"},
    OptionSpec{"--debug", 0, false, "accepted for callers that pass it"},
    OptionSpec{"--help", 'h', false, "this text"},
    OptionSpec{"--version", 'v', false, "version"},
};

void print_options(std::span<const OptionSpec> options) {
  for (const OptionSpec& option : options)
    std::printf("  %-18s %s\n", std::string(option.name).c_str(), std::string(option.help).c_str());
}

int print_help() {
  std::printf("casemate %s: a hardened OCI runtime for training jobs\n\n", CASEMATE_VERSION);
  std::printf("casemate [global options] COMMAND [options] ARGUMENTS\n\nCommands:\n");
  for (const Command& command : commands())
    std::printf("  %-9s %-22s %s\n", std::string(command.name).c_str(),
                std::string(command.usage).c_str(), std::string(command.help).c_str());
  std::printf("\nGlobal options:\n");
  print_options(kGlobalOptions);
  return 0;
}

// Docker and containerd parse these lines.
int print_version() {
  std::printf("casemate version %s\nspec: 1.3.0\n", CASEMATE_VERSION);
  return 0;
}

Result<run::Settings> settings_of(const Args& args) {
  run::Settings settings;
  settings.root = args.value("--root", settings.root);
  settings.config = args.value("--config", settings.config);
  settings.job = args.value("--job");
  settings.tenant = args.value("--tenant");
  settings.systemd_cgroup = args.has("--systemd-cgroup");
  settings.notify_socket = notify_socket();
  const std::string rootless = args.value("--rootless", "auto");
  if (::geteuid() != 0 || rootless == "true")
    return unsupported("runtime.rootless", "casemate runs as root only",
                       "call it as root; jobs get user namespaces by their profile");
  return settings;
}

Status check_count(const Command& command, const Args& args) {
  const std::size_t count = args.positional().size();
  if (count >= command.least && count <= command.most) return {};
  return bad_input("cli.arguments", "usage: casemate " + std::string(command.name) + " " +
                                        std::string(command.usage));
}

bool creates(const Command& command) {
  return command.name == "create" || command.name == "run";
}

// Nothing that the caller left open may reach the container, except what it says is meant for it.
Status close_leaked(sys::Kernel& kernel, const Command& command, const Args& args) {
  const int listening = creates(command) ? TRY(listen_fds()) : 0;
  const int preserved = TRY(args.number("--preserve-fds", 0, 0, 1024)) + listening;
  return kernel.close_range(3 + static_cast<unsigned>(preserved), ~0U, 0);
}

Result<int> dispatch(sys::Kernel& kernel, const Args& global, const std::string& program) {
  const auto& words = global.positional();
  if (words.empty()) return print_help();
  const Command* command = TRY(find_command(words[0]));
  const std::vector<std::string> rest(words.begin() + 1, words.end());
  const Args args = TRY(Args::parse(rest, command->options));
  TRY(check_count(*command, args));
  TRY(close_leaked(kernel, *command, args));
  if (creates(*command)) sys::populate_heap(kCreateHeap);
  run::Settings settings = TRY(settings_of(global));
  settings.programs = program.substr(0, program.rfind('/'));
  run::Runtime runtime = TRY(run::make_runtime(kernel, std::move(settings)));
  return command->handler(runtime, args);
}

Result<int> serve(sys::Kernel& kernel, const Args& global, const std::vector<std::string>& words) {
  return dispatch(kernel, global, TRY(run_from_readonly_mount(kernel, words)));
}

int main_with(const std::vector<std::string>& words) {
  // Ignored children would be nobody's to wait for.
  ::signal(SIGCHLD, SIG_DFL);
  sys::RealKernel kernel;
  const auto global = Args::parse(std::span(words).subspan(1), kGlobalOptions);
  if (!global) return report(global.error(), {});
  if (global->has("--help")) return print_help();
  if (global->has("--version")) return print_version();
  const auto done = serve(kernel, *global, words);
  if (done) return *done;
  return report(done.error(),
                {.path = global->value("--log"), .json = global->value("--log-format") == "json"});
}

}  // namespace
}  // namespace casemate::cli

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv, argv + argc);
  return casemate::cli::main_with(words);
}
