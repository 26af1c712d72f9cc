#include <cap-ng.h>

#include <cstdio>

#include "shim/cli/command.h"
#include "shim/oci/spec.h"
#include "shim/run/job_source.h"

namespace casemate::cli {
namespace {

Json capabilities() {
  Json names = Json::array();
  for (int number = 0; number <= CAP_LAST_CAP; ++number) {
    const char* name = ::capng_capability_to_name(static_cast<unsigned>(number));
    if (name == nullptr) continue;
    std::string upper = "CAP_";
    for (; *name != '\0'; ++name) upper += static_cast<char>(std::toupper(*name));
    names.push_back(upper);
  }
  return names;
}

Json mount_options() {
  Json options = Json::array();
  for (const char* plain : {"ro", "rw", "nosuid", "suid", "nodev", "dev", "noexec", "exec",
                            "nosymfollow", "symfollow", "noatime", "atime", "relatime",
                            "norelatime", "strictatime", "nostrictatime", "nodiratime", "diratime"})
    for (const char* prefix : {"", "r"}) options.push_back(std::string(prefix) + plain);
  for (const char* other :
       {"bind", "rbind", "defaults", "sync", "dirsync", "lazytime", "private", "rprivate", "slave",
        "rslave", "shared", "rshared", "unbindable", "runbindable", "idmap", "ridmap", "tmpcopyup"})
    options.push_back(other);
  return options;
}

Json names(std::span<const std::string_view> known) {
  Json array = Json::array();
  for (const auto name : known) array.push_back(name);
  return array;
}

Json linux_features() {
  return {{"namespaces", {"cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"}},
          {"capabilities", capabilities()},
          {"cgroup", {{"v1", true}, {"v2", true}, {"systemd", true}, {"systemdUser", false}}},
          {"seccomp",
           {{"enabled", true},
            {"actions",
             {"SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS",
              "SCMP_ACT_KILL_THREAD", "SCMP_ACT_LOG", "SCMP_ACT_TRACE", "SCMP_ACT_TRAP"}},
            {"knownFlags",
             {"SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG",
              "SECCOMP_FILTER_FLAG_SPEC_ALLOW"}}}},
          {"apparmor", {{"enabled", false}}},
          {"selinux", {{"enabled", true}}},
          {"intelRdt", {{"enabled", false}}},
          {"memoryPolicy",
           {{"modes", names(oci::memory_policy_modes())},
            {"flags", names(oci::memory_policy_flags())}}},
          {"netDevices", {{"enabled", false}}},
          {"mountExtensions", {{"idmap", {{"enabled", true}}}}}};
}

}  // namespace

Result<int> features_command(run::Runtime&, const Args&) {
  const Json features = {
      {"ociVersionMin", "1.0.0"},
      {"ociVersionMax", "1.3.0"},
      {"hooks",
       {"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"}},
      {"mountOptions", mount_options()},
      {"linux", linux_features()},
      {"annotations", {{"dev.casemate.version", CASEMATE_VERSION}}},
      {"potentiallyUnsafeConfigAnnotations", {std::string(run::kJobAnnotation)}}};
  std::fputs(dump_pretty(features).c_str(), stdout);
  return 0;
}

}  // namespace casemate::cli
