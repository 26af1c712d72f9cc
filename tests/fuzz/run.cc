#include <csignal>

#include "shim/args/args.h"
#include "shim/run/events.h"
#include "shim/run/exec_request.h"
#include "shim/run/init_process.h"
#include "shim/run/lifecycle.h"
#include "shim/run/limit_request.h"
#include "tests/fuzz/target.h"

namespace casemate::fuzz {
namespace {

std::vector<std::string> lines(std::string_view input) {
  std::vector<std::string> out;
  for (std::size_t at = 0; at <= input.size();) {
    const auto end = std::min(input.find('\n', at), input.size());
    out.emplace_back(input.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

// The words of a command line, one a line.
void arguments(std::string_view input) {
  static constexpr OptionSpec kKnown[] = {
      {"--bundle", 'b', true}, {"--force", 'f', false}, {"--pid-file", 0, true}};
  const auto words = lines(input);
  const auto args = Args::parse(words, kKnown);
  if (!accepted(args)) return;
  expect(args->positional().size() <= words.size(), "no word comes from nowhere");
  static_cast<void>(accepted(args->number("--pid-file", 0, 0, 1024)));
}

void texts(std::string_view input) {
  const std::string text(input);
  if (const auto signal = run::parse_signal(text); accepted(signal))
    expect(*signal > 0 && *signal <= SIGRTMAX, "a signal has a number");
  if (const auto user = run::parse_user(input); accepted(user))
    expect(user->uid <= INT32_MAX && user->gid.value_or(0) <= INT32_MAX, "ids are 31 bits");
  if (const auto interval = run::parse_interval(input); accepted(interval))
    expect(interval->count() >= 1 && interval->count() <= 86'400'000, "up to a day");
  if (const auto bytes = run::parse_bytes(input)) expect(*bytes >= 0, "sizes are not negative");
  static_cast<void>(accepted(run::parse_attached(text)));
}

// First line: an option of update; second: its value.
void limit(std::string_view input) {
  const auto words = lines(input);
  oci::Resources asked;
  const Status set = run::set_limit(asked, words[0], words.size() > 1 ? words[1] : "");
  if (!accepted(set)) return;
  const Status checked = run::check_request(asked);
  if (!checked) return judge(checked.error());
  const oci::Resources merged = run::merge_limits({}, asked);
  static_cast<void>(run::limits_to_write({}, asked, merged));
}

// What `update --resources` is given, against limits that are in force.
void update(std::string_view input) {
  const auto asked = oci::parse_resources(input);
  if (!accepted(asked)) return;
  if (const Status checked = run::check_request(*asked); !checked) return judge(checked.error());
  oci::Resources base;
  base.memory.limit = 1 << 20;
  base.cpu.quota = 50'000;
  base.cpu.period = 100'000;
  const oci::Resources merged = run::merge_limits(base, *asked);
  static_cast<void>(run::limits_to_write(base, *asked, merged));
  const Status fixed = run::check_fixed(Json::parse(input), merged);
  if (!fixed) judge(fixed.error());
}

// One of exec's options a line, after the letter that says which.
void exec(std::string_view input) {
  run::ExecRequest request;
  for (const std::string& line : lines(input)) {
    const std::string value = line.substr(line.empty() ? 0 : 1);
    switch (line.empty() ? ' ' : line[0]) {
      case 'a':
        request.args.push_back(value);
        break;
      case 'e':
        request.env.push_back(value);
        break;
      case 'd':
        request.cwd = value;
        break;
      case 'u':
        request.user = value;
        break;
      case 'g':
        request.additional_gids.push_back(value);
        break;
      case 'c':
        request.capabilities.push_back(value);
        break;
      case 'p':
        request.process_json = value;
        break;
      default:
        break;
    }
  }
  oci::Process container;
  container.args = {"sleep"};
  container.cwd = "/";
  const auto process = run::asked_process(request, container);
  if (accepted(process)) expect(!process->args.empty(), "there is a program");
}

const Target kTargets[] = {
    {.name = "run.arguments",
     .run = arguments,
     .seeds =
         [] {
           return std::vector<std::string>{"--bundle=/b\n-f\nid", "-b\n/b\n--\n--force",
                                           "--pid-file\n3"};
         }},
    {.name = "run.texts",
     .run = texts,
     .seeds =
         [] {
           return std::vector<std::string>{"SIGTERM",   "rtmin+3",        "9",     "RTMAX-1",
                                           "1000:1000", "1m30.5s",        "200ms", "1.5 GiB",
                                           "64k",       "[[3,42],[4,43]]"};
         }},
    {.name = "run.limit",
     .run = limit,
     .seeds =
         [] {
           return std::vector<std::string>{
               "--memory\n64m",      "--memory-swap\n-1", "--cpu-quota\n50000", "--pids-limit\n100",
               "--cpuset-cpus\n0-3", "--cpu-share\n512",  "--blkio-weight\n10", "--cpu-idle\n1"};
         }},
    {.name = "run.update", .run = update, .seeds = oci_targets()[2].seeds, .json = true},
    {.name = "run.exec",
     .run = exec,
     .seeds =
         [] {
           return std::vector<std::string>{
               "aecho\na-n\neA=b\nd/tmp\nu1000:1000\ng5\ncCAP_CHOWN",
               R"(p{"args":["ls"],"cwd":"/","user":{"uid":0,"gid":0}})"};
         }},
};

}  // namespace

std::span<const Target> run_targets() {
  return kTargets;
}

}  // namespace casemate::fuzz
