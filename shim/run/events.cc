#include "shim/run/events.h"

#include <poll.h>

#include <charconv>

#include "shim/run/container.h"

namespace casemate::run {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

struct Watched {
  std::string id;
  cgroup::Cgroup group;
  UniqueFd init;  // pidfd
  std::optional<cgroup::OomWatch> oom;
};

// In runc's words, which callers show.
std::unexpected<Error> ended(const std::string& id) {
  return bad_input("container.not-running", "container with id " + id + " is not running",
                   "it has ended");
}

Result<cgroup::Cgroup> living_cgroup(Runtime& runtime, const std::string& id, pid_t* init) {
  auto directory = TRY(find_container(runtime, id));
  const Json state = TRY(state_of(runtime, directory));
  const std::string status = state.value("status", "");
  if (status == "stopped") return ended(id);
  if (status == "creating") return wrong_state(id, status, "created or running");
  if (init != nullptr) *init = state.value("pid", 0);
  return cgroup_of(runtime, directory);
}

Json event_of(const char* type, const std::string& id) {
  return {{"type", type}, {"id", id}};
}

Result<Json> stats_of(const Watched& watched) {
  Json event = event_of("stats", watched.id);
  event["data"] = TRY(watched.group.statistics());
  return event;
}

Result<Watched> begin_watch(Runtime& runtime, const std::string& id) {
  pid_t init = 0;
  auto group = TRY(living_cgroup(runtime, id, &init));
  auto pidfd = runtime.kernel.pidfd_open(init);
  if (!pidfd && pidfd.error().sys_errno == ESRCH) return ended(id);
  if (!pidfd) return std::unexpected(std::move(pidfd.error()));
  // Had the pid been given to another process meanwhile, the container would have ended.
  TRY(living_cgroup(runtime, id, nullptr));
  auto oom = group.watch_oom();
  if (!oom && oom.error().cls != ErrorClass::unsupported) return std::unexpected(oom.error());
  Watched watched{.id = id, .group = std::move(group), .init = std::move(*pidfd), .oom = {}};
  if (oom) watched.oom = std::move(*oom);
  return watched;
}

struct Ready {
  bool oom = false, ended = false;
};
Result<Ready> await(const Watched& watched, Clock::time_point until) {
  const auto left = std::chrono::ceil<milliseconds>(until - Clock::now()).count();
  pollfd sources[] = {{.fd = watched.init.get(), .events = POLLIN, .revents = 0},
                      {.fd = watched.oom ? watched.oom->fd() : -1, .events = POLLIN, .revents = 0}};
  const int ready = ::poll(sources, 2, static_cast<int>(std::max<std::int64_t>(left, 0)));
  if (ready < 0 && errno != EINTR) return sys_error("poll");
  return ready <= 0 ? Ready{}
                    : Ready{.oom = sources[1].revents != 0, .ended = sources[0].revents != 0};
}

constexpr double kMostMs = 24.0 * 3600 * 1000;

std::optional<double> unit_in_ms(std::string_view unit) {
  constexpr std::pair<std::string_view, double> kUnits[] = {
      {"ns", 1e-6}, {"us", 1e-3}, {"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}};
  for (const auto& [name, ms] : kUnits)
    if (unit == name) return ms;
  return std::nullopt;
}

}  // namespace

Result<Json> stats_event(Runtime& runtime, const std::string& id) {
  const Watched watched = TRY(begin_watch(runtime, id));
  Json event = TRY(stats_of(watched));
  if (TRY(await(watched, Clock::now())).ended) return ended(id);
  return event;
}

Status watch_events(Runtime& runtime, const std::string& id, milliseconds interval,
                    const std::function<Status(const Json& event)>& tell) {
  Watched watched = TRY(begin_watch(runtime, id));
  auto next = Clock::now() + interval;
  while (true) {
    const Ready ready = TRY(await(watched, next));
    // The last word of a container that died for want of memory.
    if (ready.oom && TRY(watched.oom->take())) TRY(tell(event_of("oom", id)));
    if (ready.ended) return {};
    if (Clock::now() < next) continue;
    next = std::max(next + interval, Clock::now());
    const Json event = TRY(stats_of(watched));
    // What was read of a control group while it was taken down is no figure.
    if (TRY(await(watched, Clock::now())).ended) return {};
    TRY(tell(event));
  }
}

Result<milliseconds> parse_interval(std::string_view text) {
  const auto refused = [&](const char* why) {
    return bad_input("events.interval", "interval \"" + printable(text) + "\": " + why,
                     "write a duration such as 5s or 500ms");
  };
  double total = 0;
  std::string_view rest = text;
  while (!rest.empty()) {
    double figure = 0;
    const std::size_t digits = std::min(rest.find_first_not_of("0123456789."), rest.size());
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + digits, figure);
    if (error != std::errc() || end != rest.data() + digits) return refused("not a duration");
    rest.remove_prefix(digits);
    const std::size_t letters = std::min(rest.find_first_of("0123456789."), rest.size());
    const auto unit = unit_in_ms(rest.substr(0, letters));
    if (!unit) return refused("its unit is none of ns, us, ms, s, m, h");
    rest.remove_prefix(letters);
    total += figure * *unit;
  }
  if (total < 1) return refused("duration interval must be greater than 0");
  if (total > kMostMs) return refused("more than a day");
  return milliseconds(static_cast<std::int64_t>(total));
}

}  // namespace casemate::run
