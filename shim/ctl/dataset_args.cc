#include <charconv>
#include <functional>
#include <map>

#include "shim/ctl/dataset_commands.h"

namespace casemate::ctl {
namespace {

constexpr const char* kUsage =
    "casectl dataset keygen -o PREFIX [--kid KID] | seal DIR -o FILE --id ID --tenant NAME "
    "--signing-key PEM --recipient JWK... [--serial N] [--criticality LEVEL] [--allow-profile "
    "P]... "
    "[--allow-signer S]... [--no-progress] | inspect FILE | verify FILE --key JWK... --tenant-key "
    "PEM...";

std::unexpected<Error> usage(std::string what) {
  return bad_input("usage.dataset", std::move(what), kUsage);
}

using Setter = std::function<Status(const std::string&)>;

Setter once(std::string& target) {
  return [&target, seen = false](const std::string& value) mutable -> Status {
    if (seen) return usage("an option was given twice");
    seen = true;
    target = value;
    return {};
  };
}
Setter many(std::vector<std::string>& target) {
  return [&target](const std::string& value) -> Status {
    target.push_back(value);
    return {};
  };
}
Setter number(std::uint64_t& target) {
  return [&target](const std::string& value) -> Status {
    const char* end = value.data() + value.size();
    const auto parsed = std::from_chars(value.data(), end, target);
    if (parsed.ec != std::errc() || parsed.ptr != end) return usage("not a number: " + value);
    return {};
  };
}

struct Grammar {
  std::map<std::string, Setter> options;  // each takes a value
  std::string* operand = nullptr;         // required when set
};

Status parse(std::span<const std::string> args, Grammar grammar) {
  bool operand = false;
  for (std::size_t i = 0; i < args.size(); ++i) {
    const auto option = grammar.options.find(args[i]);
    if (option != grammar.options.end()) {
      if (i + 1 == args.size()) return usage(args[i] + " needs a value");
      TRY(option->second(args[++i]));
      continue;
    }
    if (args[i].starts_with("-") || grammar.operand == nullptr || operand)
      return usage("what is " + args[i] + "?");
    *grammar.operand = args[i];
    operand = true;
  }
  if (grammar.operand != nullptr && !operand) return usage("a file or folder is missing");
  return {};
}

Status need(const std::string& value, const char* option) {
  if (value.empty()) return usage(std::string(option) + " is required");
  return {};
}
Status need(const std::vector<std::string>& values, const char* option) {
  if (values.empty()) return usage(std::string(option) + " is required");
  return {};
}

Status keygen(std::span<const std::string> args, std::ostream& out) {
  DatasetKeygen parsed;
  TRY(parse(args, {.options = {{"-o", once(parsed.prefix)}, {"--kid", once(parsed.kid)}}}));
  TRY(need(parsed.prefix, "-o"));
  return dataset_keygen(parsed, out);
}

Status seal(std::span<const std::string> args, std::ostream& out) {
  DatasetSeal parsed;
  std::vector<std::string> rest;
  for (const auto& arg : args) {
    if (arg == "--no-progress")
      parsed.progress = false;
    else
      rest.push_back(arg);
  }
  TRY(parse(rest, {.options = {{"-o", once(parsed.output)},
                               {"--id", once(parsed.id)},
                               {"--tenant", once(parsed.tenant)},
                               {"--serial", number(parsed.serial)},
                               {"--criticality", once(parsed.criticality)},
                               {"--signing-key", once(parsed.signing_key)},
                               {"--recipient", many(parsed.recipients)},
                               {"--allow-profile", many(parsed.allow_profiles)},
                               {"--allow-signer", many(parsed.allow_signers)}},
                   .operand = &parsed.source}));
  TRY(need(parsed.output, "-o"));
  TRY(need(parsed.id, "--id"));
  TRY(need(parsed.tenant, "--tenant"));
  TRY(need(parsed.signing_key, "--signing-key"));
  TRY(need(parsed.recipients, "--recipient"));
  return dataset_seal(parsed, out);
}

Status inspect(std::span<const std::string> args, std::ostream& out) {
  std::string file;
  TRY(parse(args, {.operand = &file}));
  return dataset_inspect(file, out);
}

Status verify(std::span<const std::string> args, std::ostream& out) {
  DatasetVerify parsed;
  TRY(parse(args,
            {.options = {{"--key", many(parsed.keys)}, {"--tenant-key", many(parsed.tenant_keys)}},
             .operand = &parsed.file}));
  TRY(need(parsed.keys, "--key"));
  TRY(need(parsed.tenant_keys, "--tenant-key"));
  return dataset_verify(parsed, out);
}

}  // namespace

Status dataset_command(std::span<const std::string> args, std::ostream& out) {
  if (args.empty()) return usage("a subcommand is missing");
  const auto rest = args.subspan(1);
  if (args[0] == "keygen") return keygen(rest, out);
  if (args[0] == "seal") return seal(rest, out);
  if (args[0] == "inspect") return inspect(rest, out);
  if (args[0] == "verify") return verify(rest, out);
  return usage("no such subcommand: " + args[0]);
}

}  // namespace casemate::ctl
