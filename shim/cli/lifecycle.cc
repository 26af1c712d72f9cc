#include "shim/run/lifecycle.h"

#include <cstdio>

#include "shim/cli/command.h"

namespace casemate::cli {

Result<int> start_command(run::Runtime& runtime, const Args& args) {
  TRY(run::start(runtime, args.positional()[0]));
  return 0;
}

Result<int> state_command(run::Runtime& runtime, const Args& args) {
  const Json state = TRY(run::state(runtime, args.positional()[0]));
  std::fputs(dump_pretty(state).c_str(), stdout);
  return 0;
}

Result<int> kill_command(run::Runtime& runtime, const Args& args) {
  const auto& words = args.positional();
  TRY(run::kill(runtime, words[0], words.size() > 1 ? words[1] : "TERM", args.has("--all")));
  return 0;
}

Result<int> delete_command(run::Runtime& runtime, const Args& args) {
  TRY(run::remove(runtime, args.positional()[0], args.has("--force")));
  return 0;
}

namespace {

std::string text_of(const Json& state, const char* key) {
  return state.value(key, "");
}

void print_table(const std::vector<run::Listed>& all) {
  std::printf("%-32s %-10s %-10s %-40s %s\n", "ID", "PID", "STATUS", "BUNDLE", "CREATED");
  for (const run::Listed& one : all)
    std::printf("%-32s %-10d %-10s %-40s %s\n", one.id.c_str(), one.state.value("pid", 0),
                text_of(one.state, "status").c_str(), text_of(one.state, "bundle").c_str(),
                one.created.c_str());
}

void print_json(const std::vector<run::Listed>& all) {
  Json array = Json::array();
  for (const run::Listed& one : all) {
    Json entry = one.state;
    entry["created"] = one.created;
    array.push_back(std::move(entry));
  }
  std::fputs((dump(array) + "\n").c_str(), stdout);
}

}  // namespace

Result<int> list_command(run::Runtime& runtime, const Args& args) {
  const auto all = TRY(run::list(runtime));
  const std::string format = args.value("--format", "table");
  if (format != "table" && format != "json")
    return bad_input("cli.option", "unknown format " + printable(format), "use table or json");
  if (args.has("--quiet")) {
    for (const run::Listed& one : all) std::printf("%s\n", one.id.c_str());
    return 0;
  }
  format == "json" ? print_json(all) : print_table(all);
  return 0;
}

}  // namespace casemate::cli
