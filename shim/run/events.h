// events: what a container uses, and that the kernel ended some of it for want of memory.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

#include "shim/base/json.h"
#include "shim/run/runtime.h"

namespace casemate::run {

// {"type":"stats","id":…,"data":…} as runc prints it. bad_input "container.not-running" when the
// container has ended.
Result<Json> stats_event(Runtime& runtime, const std::string& id);

// Calls `tell` with a stats event at each interval and with {"type":"oom","id":…} at once; returns
// when the container has ended, or the error of `tell`.
Status watch_events(Runtime& runtime, const std::string& id, std::chrono::milliseconds interval,
                    const std::function<Status(const Json& event)>& tell);

// A duration as Go writes it: "5s", "1m30s", "1.5h", "200ms". bad_input "events.interval" for
// another text, for less than a millisecond and for more than a day. Pure.
Result<std::chrono::milliseconds> parse_interval(std::string_view text);

}  // namespace casemate::run
