#include "shim/run/create.h"

#include <limits.h>
#include <unistd.h>

#include "shim/cli/caller.h"
#include "shim/cli/command.h"
#include "shim/cli/create_options.h"

namespace casemate::cli {
namespace {

Status refuse_weakening(const Args& args) {
  for (const char* option : {"--no-pivot", "--no-new-keyring", "--pidfd-socket"})
    if (args.has(option))
      return unsupported("cli." + std::string(option + 2),
                         std::string(option) + " is not served by this runtime",
                         "leave the option out");
  return {};
}

}  // namespace

Result<std::string> absolute(const std::string& path) {
  std::string text = path;
  if (!path.starts_with('/')) {
    char here[PATH_MAX];
    if (::getcwd(here, sizeof here) == nullptr) return sys_error("find the current directory");
    text = path.empty() || path == "." ? here : std::string(here) + "/" + path;
  }
  while (text.size() > 1 && text.back() == '/') text.pop_back();
  return text;
}

Result<run::CreateRequest> create_request(const Args& args) {
  TRY(refuse_weakening(args));
  run::CreateRequest request;
  request.id = args.positional()[0];
  request.bundle = TRY(absolute(args.value("--bundle")));
  if (args.has("--pid-file")) request.pid_file = TRY(absolute(args.value("--pid-file")));
  request.console_socket = args.value("--console-socket");
  request.listen_fds = TRY(listen_fds());
  request.preserve_fds = request.listen_fds + TRY(args.number("--preserve-fds", 0, 0, 1024));
  return request;
}

Result<int> create_command(run::Runtime& runtime, const Args& args) {
  TRY(run::create(runtime, TRY(create_request(args))));
  return 0;
}

}  // namespace casemate::cli
