#include "shim/cgroup/stats.h"

#include <charconv>
#include <limits>

#include "shim/cgroup/cgroup.h"
#include "shim/cgroup/files.h"

namespace casemate::cgroup {
namespace stats {

std::uint64_t number(std::string_view text) {
  const std::string_view digits = trim(text);
  std::uint64_t value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return value;
}

std::uint64_t number_in(const StatReader& read, const std::string& file) {
  const auto text = read(file);
  return text ? number(*text) : 0;
}

std::uint64_t limit_in(const StatReader& read, const std::string& file) {
  const auto text = read(file);
  if (text && trim(*text) == "max") return std::numeric_limits<std::uint64_t>::max();
  return text ? number(*text) : 0;
}

void put_nonzero(Json& json, const char* key, std::uint64_t value) {
  if (value != 0) json[key] = value;
}

Json flat_map(const std::optional<std::string>& text) {
  Json map = Json::object();
  if (!text) return map;
  for (const std::string_view line : split(*text, '\n')) {
    const auto pair = words(line);
    if (pair.size() == 2) map[std::string(pair[0])] = number(pair[1]);
  }
  return map;
}

}  // namespace stats

namespace {

using namespace stats;

// "0-2,5" as [0,1,2,5].
Json numbers_of_list(const std::optional<std::string>& text) {
  constexpr std::uint64_t kMost = 1 << 16;
  Json out = Json::array();
  if (!text) return out;
  for (const std::string_view piece : split(trim(*text), ',')) {
    if (piece.empty()) continue;
    const std::size_t dash = piece.find('-');
    const std::uint64_t last =
        std::min(kMost, number(dash == std::string_view::npos ? piece : piece.substr(dash + 1)));
    for (std::uint64_t i = number(piece.substr(0, dash)); i <= last; ++i) out.push_back(i);
  }
  return out;
}

constexpr const char* kHugePages[] = {"64KB",  "1MB",   "2MB", "16MB", "32MB",
                                      "256MB", "512MB", "1GB", "2GB",  "16GB"};

}  // namespace

Json cpuset_stats(const StatReader& read, bool v2) {
  Json out = Json::object();
  const Json cpus = numbers_of_list(read(v2 ? "cpuset.cpus.effective" : "cpuset.cpus"));
  const Json mems = numbers_of_list(read(v2 ? "cpuset.mems.effective" : "cpuset.mems"));
  if (!cpus.empty()) out["cpus"] = cpus;
  if (!mems.empty()) out["mems"] = mems;
  for (const char* flag :
       {"cpu_exclusive", "mem_hardwall", "mem_exclusive", "memory_migrate", "memory_spread_page",
        "memory_spread_slab", "memory_pressure", "sched_load_balance"})
    out[flag] = v2 ? 0 : number_in(read, std::string("cpuset.") + flag);
  const auto level = v2 ? std::nullopt : read("cpuset.sched_relax_domain_level");
  out["sched_relax_domain_level"] =
      level ? std::strtoll(level->c_str(), nullptr, 10) : std::int64_t{0};
  return out;
}

Json pids_stats(const StatReader& read) {
  Json out = Json::object();
  put_nonzero(out, "current", number_in(read, "pids.current"));
  put_nonzero(out, "limit", number_in(read, "pids.max"));
  return out;
}

Json hugetlb_stats(const StatReader& read, bool v2) {
  Json out = Json::object();
  for (const char* size : kHugePages) {
    const std::string prefix = std::string("hugetlb.") + size;
    const auto usage = read(prefix + (v2 ? ".current" : ".usage_in_bytes"));
    if (!usage) continue;
    Json one = Json::object();
    put_nonzero(one, "usage", number(*usage));
    if (!v2) put_nonzero(one, "max", number_in(read, prefix + ".max_usage_in_bytes"));
    one["failcnt"] = v2 ? flat_map(read(prefix + ".events")).value("max", std::uint64_t{0})
                        : number_in(read, prefix + ".failcnt");
    out[size] = std::move(one);
  }
  return out;
}

Result<Json> Cgroup::statistics() const {
  TRY(require_present());
  const auto reader = [this](const Place* place) -> StatReader {
    return [this, place](const std::string& file) -> std::optional<std::string> {
      if (place == nullptr) return std::nullopt;
      auto text = read_file(*kernel_, place->leaf.get(), file);
      return text ? std::optional(std::move(*text)) : std::nullopt;
    };
  };
  const auto place = [this](const char* v1, const char* v2) {
    const Place* found = place_of(v1);
    if (found == nullptr) found = place_of(v2);
    return found == nullptr ? place_of("") : found;
  };
  const auto is_v2 = [](const Place* one) { return one != nullptr && one->hierarchy.v2; };
  const Place* cpu = place("cpu", "cpu");
  const Place* cpuset = place("cpuset", "cpuset");
  const Place* memory = place("memory", "memory");
  const Place* io = place("blkio", "io");
  const Place* hugetlb = place("hugetlb", "hugetlb");
  return Json{
      {"cpu", is_v2(cpu) ? cpu_stats_v2(reader(cpu))
                         : cpu_stats_v1(reader(cpu), reader(place_of("cpuacct")))},
      {"cpuset", cpuset_stats(reader(cpuset), is_v2(cpuset))},
      {"memory", is_v2(memory) ? memory_stats_v2(reader(memory)) : memory_stats_v1(reader(memory))},
      {"pids", pids_stats(reader(place("pids", "pids")))},
      {"blkio", is_v2(io) ? block_io_stats_v2(reader(io)) : block_io_stats_v1(reader(io))},
      {"hugetlb", hugetlb_stats(reader(hugetlb), is_v2(hugetlb))},
      {"intel_rdt", Json::object()},
      {"network_interfaces", nullptr}};
}

Result<OomWatch> Cgroup::watch_oom() const {
  TRY(require_present());
  const Place* place = place_of("memory");
  if (place == nullptr)
    return unsupported("cgroup.no-controller", "this host has no cgroup controller memory",
                       "enable it on the host");
  return OomWatch::start(*kernel_, place->leaf.get(), place->hierarchy.v2);
}

}  // namespace casemate::cgroup
