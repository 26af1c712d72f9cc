#include "policy/decide.h"
#include "shim/plan/compile.h"
#include "shim/plan/compile_exec.h"
#include "shim/plan/mount_options.h"
#include "shim/plan/names.h"
#include "shim/plan/resources.h"
#include "shim/plan/stored.h"
#include "tests/fuzz/target.h"

namespace casemate::fuzz {
namespace {

policy::Profile shipped(const char* name) {
  const std::string path = std::string("profiles/") + name + ".json";
  auto profile = policy::parse_profile(files(path.c_str()).at(0));
  expect(profile.has_value(), "a shipped profile is one");
  return std::move(*profile);
}

policy::HostFacts host() {
  policy::HostFacts facts;
  facts.kernel_major = 6;
  facts.kernel_minor = 1;
  facts.cgroup = policy::CgroupMode::v2;
  return facts;
}

// The way of create, without a machine: whatever is asked, what comes out is bounded, and what is
// stored of it is what exec reads back.
void create(std::string_view input) {
  static const policy::Profile profile = shipped("baseline");
  const auto spec = oci::parse_spec(input);
  if (!accepted(spec)) return;
  const auto decision = policy::decide(*spec, profile, host(), {});
  if (decision.denied) return judge(policy::refusal(decision));
  plan::Inputs inputs;
  inputs.id = "fuzz";
  inputs.bundle = "/bundle";
  inputs.profile_filter = decision.seccomp;
  const auto plan = plan::compile(decision.spec, inputs);
  if (!accepted(plan)) return;
  const Json stored = plan->to_json();
  const auto read = parse_json(dump(stored));
  expect(read && *read == stored, "a plan is strict JSON");
  const auto steps = plan::load_process_steps(*read);
  expect(steps.has_value(), "a stored plan is read back");
  const auto exec = plan::compile_exec(*plan::spec_of(*steps).process, *steps, {.id = "fuzz"});
  static_cast<void>(accepted(exec));
}

void stored(std::string_view input) {
  with_json(input, [](const Json& json) {
    const auto plan = plan::load_process_steps(json);
    if (accepted(plan)) static_cast<void>(plan::spec_of(*plan));
  });
}

void limits(std::string_view input) {
  with_json(input, [](Json json) {
    const auto limits = plan::changeable_resources(json);
    if (!accepted(limits)) return;
    plan::replace_changeable(json, *limits);
    const auto again = plan::changeable_resources(json);
    expect(again && plan::to_json(*again) == plan::to_json(*limits), "limits are read back");
  });
}

// One option a line; the first is a propagation too.
void mount_options(std::string_view input) {
  std::vector<std::string> options;
  for (std::size_t at = 0; at <= input.size();) {
    const auto end = std::min(input.find('\n', at), input.size());
    options.emplace_back(input.substr(at, end - at));
    at = end + 1;
  }
  static_cast<void>(accepted(plan::parse_mount_options(options, "/mounts/0/options")));
  static_cast<void>(accepted(plan::parse_propagation(options[0])));
  static_cast<void>(accepted(plan::rlimit_number(options[0])));
  const auto bits = plan::capability_bits(options, "/process/capabilities/bounding");
  if (!accepted(bits)) return;
  const auto again = plan::capability_bits(plan::capability_names(*bits), "");
  expect(again && *again == *bits, "capabilities have names");
}

// A plan of one step for each of the golden plans' steps.
std::vector<std::string> plan_seeds() {
  std::vector<std::string> seeds;
  for (const std::string& text : files("tests/golden/plan/*.json"))
    for (const Json& step : Json::parse(text).at("steps"))
      seeds.push_back(dump({{"version", 1}, {"steps", Json::array({step})}}));
  return shortened(std::move(seeds));
}

std::vector<std::string> limit_seeds() {
  std::vector<std::string> seeds;
  for (const std::string& text : files("tests/golden/plan/*.json"))
    for (const Json& step : Json::parse(text).at("steps"))
      if (step.at("step") == "cgroup") seeds.push_back(step.at("resources").dump());
  return seeds;
}

const Target kTargets[] = {
    {.name = "plan.create",
     .run = create,
     .seeds = [] { return shortened(files("tests/golden/policy/samples/*.config.json")); },
     .json = true},
    {.name = "plan.stored", .run = stored, .seeds = plan_seeds, .json = true},
    {.name = "plan.limits", .run = limits, .seeds = limit_seeds, .json = true},
    {.name = "plan.mount-options",
     .run = mount_options,
     .seeds =
         [] {
           return std::vector<std::string>{"rbind\nro\nnosuid\nnodev\nrprivate\nrro",
                                           "mode=1777\nsize=65536k\nnoexec",
                                           "rshared\ntmpcopyup",
                                           "CAP_CHOWN\nCAP_SYS_ADMIN",
                                           "RLIMIT_NOFILE",
                                           "idmap"};
         }},
};

}  // namespace

std::span<const Target> plan_targets() {
  return kTargets;
}

}  // namespace casemate::fuzz
