// Figures of a control group's use, in the JSON that runc's `events` prints and its callers parse
// (types/events.go there): zeros are left out where runc leaves them out. Pure; Cgroup::statistics
// reads the files.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "shim/base/json.h"

namespace casemate::cgroup {

// The text of a file of one controller's leaf; nothing when there is no such file.
using StatReader = std::function<std::optional<std::string>(const std::string& file)>;

Json cpu_stats_v1(const StatReader& cpu, const StatReader& cpuacct);
Json cpu_stats_v2(const StatReader& read);
Json cpuset_stats(const StatReader& read, bool v2);
Json memory_stats_v1(const StatReader& read);
Json memory_stats_v2(const StatReader& read);
Json pids_stats(const StatReader& read);
Json block_io_stats_v1(const StatReader& read);
Json block_io_stats_v2(const StatReader& read);
Json hugetlb_stats(const StatReader& read, bool v2);

// Shared by the files that make them.
namespace stats {
std::uint64_t number(std::string_view text);  // "max" is 0; what is no number is 0
std::uint64_t number_in(const StatReader& read, const std::string& file);
std::uint64_t limit_in(const StatReader& read, const std::string& file);  // "max" is 2^64 - 1
void put_nonzero(Json& json, const char* key, std::uint64_t value);
Json flat_map(const std::optional<std::string>& text);  // lines "key number"
}  // namespace stats

}  // namespace casemate::cgroup
