#include "shim/plan/names.h"

#include <cap-ng.h>
#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <cctype>

namespace casemate::plan {
namespace {

struct Limit {
  const char* name;
  int number;
};
constexpr std::array kLimits = {
    Limit{"RLIMIT_AS", RLIMIT_AS},           Limit{"RLIMIT_CORE", RLIMIT_CORE},
    Limit{"RLIMIT_CPU", RLIMIT_CPU},         Limit{"RLIMIT_DATA", RLIMIT_DATA},
    Limit{"RLIMIT_FSIZE", RLIMIT_FSIZE},     Limit{"RLIMIT_LOCKS", RLIMIT_LOCKS},
    Limit{"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK}, Limit{"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE},
    Limit{"RLIMIT_NICE", RLIMIT_NICE},       Limit{"RLIMIT_NOFILE", RLIMIT_NOFILE},
    Limit{"RLIMIT_NPROC", RLIMIT_NPROC},     Limit{"RLIMIT_RSS", RLIMIT_RSS},
    Limit{"RLIMIT_RTPRIO", RLIMIT_RTPRIO},   Limit{"RLIMIT_RTTIME", RLIMIT_RTTIME},
    Limit{"RLIMIT_STACK", RLIMIT_STACK},     Limit{"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
};

}  // namespace

Result<std::uint64_t> capability_bits(const std::vector<std::string>& names,
                                      const std::string& pointer) {
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < names.size(); ++i) {
    std::string lower = names[i];
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    const int number = lower.starts_with("cap_") ? capng_name_to_capability(lower.c_str() + 4) : -1;
    if (number < 0)
      return bad_input("oci.capability", "unknown capability \"" + printable(names[i]) + "\"",
                       "see capabilities(7) for the names", pointer + "/" + std::to_string(i));
    bits |= std::uint64_t{1} << number;
  }
  return bits;
}

std::vector<std::string> capability_names(std::uint64_t bits) {
  std::vector<std::string> names;
  for (unsigned number = 0; number < 64; ++number) {
    const bool held = (bits >> number & 1) != 0;
    const char* known = held ? capng_capability_to_name(number) : nullptr;
    if (known == nullptr) continue;
    std::string name = std::string("CAP_") + known;
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    names.push_back(std::move(name));
  }
  return names;
}

Result<int> rlimit_number(const std::string& name) {
  for (const Limit& limit : kLimits)
    if (name == limit.name) return limit.number;
  return bad_input("oci.rlimit", "unknown resource limit \"" + printable(name) + "\"",
                   "see getrlimit(2) for the names", "/process/rlimits");
}

std::uint64_t clone_flag(oci::NamespaceType type) {
  switch (type) {
    case oci::NamespaceType::pid:
      return CLONE_NEWPID;
    case oci::NamespaceType::network:
      return CLONE_NEWNET;
    case oci::NamespaceType::mount:
      return CLONE_NEWNS;
    case oci::NamespaceType::ipc:
      return CLONE_NEWIPC;
    case oci::NamespaceType::uts:
      return CLONE_NEWUTS;
    case oci::NamespaceType::user:
      return CLONE_NEWUSER;
    case oci::NamespaceType::cgroup:
      return CLONE_NEWCGROUP;
    case oci::NamespaceType::time:
      return CLONE_NEWTIME;
  }
  return 0;
}

}  // namespace casemate::plan
