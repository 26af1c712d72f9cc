// casectl: the tool of people: tenants, signers, schedulers, security admins and auditors.
#include <algorithm>
#include <array>
#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

#include "shim/ctl/audit_commands.h"
#include "shim/ctl/dataset_commands.h"
#include "shim/ctl/image_commands.h"
#include "shim/ctl/job_commands.h"
#include "shim/ctl/policy_commands.h"
#include "shim/ctl/receipt_commands.h"

namespace casemate::ctl {
namespace {

using Words = std::span<const std::string_view>;

struct Command {
  std::string_view group;
  std::string_view name;
  std::string_view help;
  Status (*run)(Words) = nullptr;
};

template <const char* kName>
Status dataset(Words words) {
  std::vector<std::string> all = {kName};
  all.insert(all.end(), words.begin(), words.end());
  return dataset_command(all, std::cout);
}
constexpr char kKeygen[] = "keygen";
constexpr char kSeal[] = "seal";
constexpr char kInspect[] = "inspect";
constexpr char kVerify[] = "verify";

constexpr std::array kCommands = {
    Command{"key", "generate", "make a signing key pair", key_generate},
    Command{"image", "sign", "sign an image of an OCI layout, as cosign does", image_sign},
    Command{"image", "verify", "check a signature, all layers, and an unpacked rootfs",
            image_verify},
    Command{"dataset", "keygen", "make a key pair for a host's key slot", dataset<kKeygen>},
    Command{"dataset", "seal", "encrypt a folder for a host and sign what it is", dataset<kSeal>},
    Command{"dataset", "inspect", "what everybody can see of a sealed file", dataset<kInspect>},
    Command{"dataset", "verify", "decrypt and check everything, write nothing", dataset<kVerify>},
    Command{"job", "sign", "sign a job request, as a scheduler does", job_sign},
    Command{"job", "show", "print a signed job request", job_show},
    Command{"policy", "lint", "check a profile", policy_lint},
    Command{"policy", "check", "what a profile says of a bundle", policy_check},
    Command{"receipt", "show", "print a receipt for people", receipt_show},
    Command{"receipt", "verify", "check a receipt's signature", receipt_verify},
    Command{"audit", "verify", "check the audit log's chain", audit_verify},
};

int print_help() {
  std::printf("casectl %s: keys, images, datasets, jobs, policy and evidence of casemate\n\n",
              CASEMATE_VERSION);
  for (const Command& command : kCommands)
    std::printf("  casectl %-8s %-9s %s\n", std::string(command.group).c_str(),
                std::string(command.name).c_str(), std::string(command.help).c_str());
  std::printf(
      "\nA command called with wrong arguments says which it takes.\n"
      "Exit status: 0 done, 1 denied, 2 bad input, 3 internal, 4 not supported.\n");
  return 0;
}

Status dispatch(Words words) {
  const std::string_view name = words.size() > 1 ? words[1] : "";
  const auto found = std::find_if(kCommands.begin(), kCommands.end(), [&](const Command& command) {
    return command.group == words[0] && command.name == name;
  });
  if (found == kCommands.end())
    return bad_input("cli.command",
                     "unknown command \"" + std::string(words[0]) + " " + std::string(name) + "\"",
                     "see casectl --help");
  return found->run(words.subspan(2));
}

int main_with(Words words) {
  if (words.empty() || words[0] == "--help" || words[0] == "-h") return print_help();
  if (words[0] == "--version") {
    std::printf("casectl version %s\n", CASEMATE_VERSION);
    return 0;
  }
  const Status done = dispatch(words);
  if (done) return 0;
  std::fprintf(stderr, "casectl: %s\n", done.error().message().c_str());
  return done.error().exit_code();
}

}  // namespace
}  // namespace casemate::ctl

int main(int argc, char** argv) {
  const std::vector<std::string_view> words(argv + 1, argv + argc);
  return casemate::ctl::main_with(words);
}
