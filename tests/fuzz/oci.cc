#include "shim/oci/spec.h"
#include "tests/fuzz/target.h"

namespace casemate::fuzz {
namespace {

constexpr std::uint32_t kHighestId = INT32_MAX;

void check_process(const oci::Process& process) {
  expect(process.user.uid <= kHighestId && process.user.gid <= kHighestId, "ids are 31 bits");
  expect(!process.args.empty() && !process.args[0].empty(), "there is a program");
  expect(process.cwd.starts_with('/'), "the working directory is absolute");
  for (const std::string& entry : process.env)
    expect(entry.find('=') != 0 && entry.find('=') != std::string::npos, "NAME=VALUE");
}

void spec(std::string_view input) {
  const auto parsed = oci::parse_spec(input);
  if (!accepted(parsed)) return;
  if (parsed->process) check_process(*parsed->process);
  for (const oci::Mount& mount : parsed->mounts) {
    expect(mount.destination.starts_with('/'), "a mount's destination is absolute");
    expect((mount.destination + "/").find("/../") == std::string::npos, "and has no ..");
  }
  expect(parsed->hostname.find('\n') == std::string::npos, "a host name is one line");
}

void process(std::string_view input) {
  if (const auto parsed = oci::parse_process(input); accepted(parsed)) check_process(*parsed);
}

void resources(std::string_view input) {
  const auto parsed = oci::parse_resources(input);
  if (!accepted(parsed)) return;
  for (const oci::DeviceRule& rule : parsed->devices)
    expect(rule.access.find_first_not_of("rwm") == std::string::npos, "device access is of rwm");
}

void path(std::string_view input) {
  const std::string once = oci::normalise_path(input);
  expect(oci::normalise_path(once) == once, "a normalised path stays as it is");
  expect(once.find("//") == std::string::npos, "no empty component");
}

// Each engine's "linux.resources", and one that has everything.
std::vector<std::string> resource_seeds() {
  std::vector<std::string> seeds = {
      R"({"devices":[{"allow":false,"access":"rwm"},{"allow":true,"type":"c","major":1,"minor":3,"access":"rw"}],
      "memory":{"limit":1048576,"reservation":65536,"swap":-1,"kernel":0,"swappiness":60,"disableOOMKiller":false},
      "cpu":{"shares":1024,"quota":50000,"period":100000,"burst":0,"realtimeRuntime":0,"realtimePeriod":0,"cpus":"0-1,3","mems":"0","idle":1},
      "pids":{"limit":100},"blockIO":{"weight":500,"leafWeight":10,"weightDevice":[{"major":8,"minor":0,"weight":10}],
      "throttleReadBpsDevice":[{"major":8,"minor":0,"rate":1048576}]},"hugepageLimits":[{"pageSize":"2MB","limit":0}],
      "network":{"classID":1048577,"priorities":[{"name":"eth0","priority":5}]},"rdma":{"mlx5_1":{"hcaHandles":3,"hcaObjects":10000}},
      "unified":{"memory.high":"1048576"}})"};
  for (const std::string& text : files("tests/golden/policy/samples/*.config.json"))
    seeds.push_back(Json::parse(text).at("linux").at("resources").dump());
  return seeds;
}

const Target kTargets[] = {
    {.name = "oci.spec",
     .run = spec,
     .seeds = [] { return shortened(files("tests/golden/policy/samples/*.config.json")); },
     .json = true},
    {.name = "oci.process",
     .run = process,
     .seeds = [] { return shortened(files("tests/golden/policy/samples/*.process.json")); },
     .json = true},
    {.name = "oci.resources", .run = resources, .seeds = resource_seeds, .json = true},
    {.name = "oci.path",
     .run = path,
     .seeds = [] { return std::vector<std::string>{"/a//b/./c/", ".", "/..", "a/../b"}; }},
};

}  // namespace

std::span<const Target> oci_targets() {
  return kTargets;
}

}  // namespace casemate::fuzz
