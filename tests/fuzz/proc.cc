// The kernel's texts of a process; its name, its mount points and sources are the job's choice.
#include "shim/apply/observe.h"
#include "shim/apply/proc_status.h"
#include "tests/fuzz/target.h"

namespace casemate::fuzz {
namespace {

void status(std::string_view input) {
  static_cast<void>(accepted(apply::parse_status(input)));
}

void mountinfo(std::string_view input) {
  const auto mounts = apply::parse_mountinfo(input);
  if (!accepted(mounts)) return;
  for (const plan::ObservedMount& mount : *mounts)
    expect(!mount.point.empty() && !mount.type.empty(), "a mount has a place and a type");
}

void limits(std::string_view input) {
  static_cast<void>(accepted(apply::parse_limits(input)));
}

const Target kTargets[] = {
    {.name = "proc.status", .run = status, .seeds = [] { return files("/proc/self/status"); }},
    {.name = "proc.mountinfo",
     .run = mountinfo,
     .seeds = [] { return files("/proc/self/mountinfo"); }},
    {.name = "proc.limits", .run = limits, .seeds = [] { return files("/proc/self/limits"); }},
};

}  // namespace

std::span<const Target> proc_targets() {
  return kTargets;
}

}  // namespace casemate::fuzz
