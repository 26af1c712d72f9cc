#include "shim/cgroup/devices.h"
#include "shim/cgroup/hierarchy.h"
#include "shim/cgroup/paths.h"
#include "shim/cgroup/settings.h"
#include "shim/cgroup/stats.h"
#include "tests/fuzz/target.h"

namespace casemate::fuzz {
namespace {

// /proc/self/mountinfo, an empty line, /proc/self/cgroup.
void hierarchies(std::string_view input) {
  const auto cut = std::min(input.find("\n\n"), input.size());
  const auto all = cgroup::parse_hierarchies(input.substr(0, cut),
                                             input.substr(std::min(cut + 2, input.size())));
  if (!accepted(all)) return;
  for (const cgroup::Hierarchy& one : *all) {
    expect(one.mount_point.starts_with('/'), "a mount point is absolute");
    expect(one.root.starts_with('/'), "one's own cgroup is absolute below it");
  }
  static_cast<void>(cgroup::find(*all, "memory"));
}

// The same text as every file of a group: a kernel to come may write what none writes today.
void statistics(std::string_view input) {
  const cgroup::StatReader read = [&](const std::string&) { return std::string(input); };
  for (const Json& json :
       {cgroup::cpu_stats_v1(read, read), cgroup::cpu_stats_v2(read),
        cgroup::cpuset_stats(read, true), cgroup::cpuset_stats(read, false),
        cgroup::memory_stats_v1(read), cgroup::memory_stats_v2(read), cgroup::pids_stats(read),
        cgroup::block_io_stats_v1(read), cgroup::block_io_stats_v2(read),
        cgroup::hugetlb_stats(read, true), cgroup::hugetlb_stats(read, false)})
    expect(Json::accept(dump(json)), "figures are JSON");
}

void check_settings(const Result<cgroup::Settings>& settings, std::string_view observed) {
  if (!accepted(settings)) return;
  for (const cgroup::Setting& setting : *settings) {
    expect(setting.file.find('/') == std::string::npos, "a setting is a file of the leaf");
    expect(setting.value.find('\n') == std::string::npos, "a value is one line");
    static_cast<void>(cgroup::holds(setting, observed));
    static_cast<void>(cgroup::value_to_restore(setting, observed));
  }
}

// What a configuration's limits become, compared with a hostile text that a file might show.
void limits(std::string_view input) {
  const auto asked = oci::parse_resources(input);
  if (!accepted(asked)) return;
  for (const cgroup::Controller& controller : cgroup::controllers()) {
    if (*controller.v1 != '\0') check_settings(controller.settings_v1(*asked), input);
    if (*controller.v2 != '\0') check_settings(controller.settings_v2(*asked), input);
  }
  check_settings(cgroup::unified_settings(*asked), input);
  const auto devices = cgroup::normalise(asked->devices);
  if (!accepted(devices)) return;
  for (const cgroup::DeviceAccess& rule : devices->rules)
    expect(!cgroup::to_string(rule).empty(), "a device rule has a text");
  expect(!cgroup::device_program(*devices).empty(), "device rules have a program");
}

void path(std::string_view input) {
  const cgroup::Hierarchy hierarchy = {
      .mount_point = "/sys/fs/cgroup/memory", .controllers = {"memory"}, .root = "/own"};
  for (const bool alone : {false, true}) {
    const auto leaf = cgroup::leaf_path(hierarchy, alone, input);
    if (!accepted(leaf)) continue;
    expect(("/" + *leaf + "/").find("/../") == std::string::npos, "no way out of the hierarchy");
    expect(!leaf->empty() && !leaf->starts_with('/'), "below the mount point");
  }
  static_cast<void>(accepted(cgroup::huge_page_size(std::string(input))));
}

const Target kTargets[] = {
    {.name = "cgroup.hierarchies",
     .run = hierarchies,
     .seeds =
         [] {
           return std::vector<std::string>{
               files("/proc/self/mountinfo")[0] + "\n" + files("/proc/self/cgroup")[0],
               "36 25 0:31 / /sys/fs/cgroup rw - cgroup2 c rw\n\n0::/a\n"};
         }},
    {.name = "cgroup.statistics",
     .run = statistics,
     .seeds =
         [] {
           return std::vector<std::string>{"18446744073709551615",
                                           "max\n",
                                           "0-3,8",
                                           "usage_usec 1\nuser_usec 2\nnr_periods 3\n",
                                           "cache 1\nrss 2\ntotal_rss 3\n",
                                           "8:0 Read 1\n8:0 Write 2\n8:0 Total 3\nTotal 6\n",
                                           "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n",
                                           "some avg10=0.00 total=1\n"};
         }},
    {.name = "cgroup.limits", .run = limits, .seeds = oci_targets()[2].seeds, .json = true},
    {.name = "cgroup.path",
     .run = path,
     .seeds =
         [] {
           return std::vector<std::string>{"/docker/abc", "a/b", "system.slice:docker:abc", "../x",
                                           "2MB"};
         }},
};

}  // namespace

std::span<const Target> cgroup_targets() {
  return kTargets;
}

}  // namespace casemate::fuzz
