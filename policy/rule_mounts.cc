// Rules about mounts: which, from where, onto what, with which options.
#include <algorithm>
#include <span>

#include "policy/match.h"
#include "policy/rules.h"

namespace casemate::policy {
namespace {

constexpr std::string_view kJobFile = "/run/casemate/job.json";
constexpr std::string_view kShm = "/dev/shm";

struct Opposite {
  std::string_view option, opposite;
};
constexpr Opposite kOpposites[] = {
    {"ro", "rw"},       {"nosuid", "suid"},           {"nodev", "dev"},
    {"noexec", "exec"}, {"nosymfollow", "symfollow"}, {"noatime", "atime"},
};
constexpr std::string_view kPropagation[] = {"private", "rprivate", "slave",      "rslave",
                                             "shared",  "rshared",  "unbindable", "runbindable"};

// Adds the option and removes its opposite; true when that changed something.
bool require_option(oci::Mount& mount, std::string_view option) {
  const auto before = mount.options.size();
  for (const auto& pair : kOpposites)
    if (pair.option == option) std::erase(mount.options, pair.opposite);
  const bool removed = mount.options.size() != before;
  if (contains(mount.options, option)) return removed;
  mount.options.emplace_back(option);
  return true;
}

std::string describe(const oci::Mount& mount) {
  const std::string from = mount.type == "bind" ? mount.source + " " : "";
  return mount.type + " " + from + "at " + mount.destination;
}

std::string_view base_name(std::string_view path) {
  return path.substr(path.rfind('/') + 1);
}

// A path that is told as it is: absolute, nothing to be resolved in it.
bool is_plain_source(std::string_view path) {
  return is_path_pattern(path) && !path.ends_with("/*");
}

const std::string* forbidden_source(const Judgement& j, std::string_view source) {
  for (const auto& folder : j.profile.mounts.forbidden_sources)
    if (path_within(folder, source) || path_within(source, folder)) return &folder;
  return nullptr;
}

// The root itself must not show what no bind may show.
void judge_root(Judgement& j) {
  for (const std::string& path : {j.spec.root.path, std::string(j.resolved(j.spec.root.path))}) {
    const std::string* forbidden = forbidden_source(j, path);
    if (forbidden == nullptr) continue;
    j.deny("rootfs.source", "/root/path", "root " + path, "nothing that shows " + *forbidden,
           "give the container a root directory of its own");
    return;
  }
}

struct MountJudge {
  Judgement& j;
  oci::Mount& mount;
  std::string pointer;

  void deny(std::string rule, std::string asked, std::string bound, std::string hint) {
    j.deny(std::move(rule), pointer, std::move(asked), std::move(bound), std::move(hint));
  }

  // What no profile can open: the places whose contents the other rules build on.
  bool kernel_places() {
    const auto& place = mount.destination;
    const bool proc = path_within("/proc", place) || mount.type == "proc";
    const bool sys = path_within("/sys", place) || mount.type == "sysfs";
    const bool cgroup = mount.type == "cgroup" || mount.type == "cgroup2";
    if (place == "/")
      deny("mounts.root", describe(mount), "the container's own root", "remove the mount");
    else if (proc && !(mount.type == "proc" && place == "/proc"))
      deny("mounts.proc", describe(mount), "only proc, and only at /proc", "remove the mount");
    else if (sys && !(mount.type == "sysfs" && place == "/sys") &&
             !(cgroup && place == "/sys/fs/cgroup"))
      deny("mounts.sys", describe(mount), "only sysfs at /sys and cgroup at /sys/fs/cgroup",
           "remove the mount");
    else if (mount.type == "bind" && (place == "/dev" || path_within("/dev/pts", place)))
      // Masking and the console rely on /dev/null and /dev/pts (CVE-2025-31133, CVE-2025-52565).
      deny("mounts.dev", describe(mount), "a tmpfs at /dev and a new devpts", "remove the mount");
    else
      return true;
    return false;
  }

  bool options_allowed() {
    for (const auto& option : mount.options) {
      if (option == "remount" || option == "move") {
        deny("mounts.remount", describe(mount) + " with " + option, "new mounts",
             "remove the option");
        return false;
      }
      const bool propagation = std::ranges::find(kPropagation, option) != std::end(kPropagation);
      if (propagation && !contains(j.profile.mounts.propagation, option)) {
        deny("mounts.propagation", option + " for " + mount.destination,
             joined(j.profile.mounts.propagation), "use rprivate");
        return false;
      }
      if (!label_allowed(option)) return false;
    }
    return true;
  }

  bool label_allowed(std::string_view option) {
    for (const char* key : {"context=", "fscontext=", "defcontext=", "rootcontext="}) {
      if (!option.starts_with(key)) continue;
      std::string_view label = option.substr(option.find('=') + 1);
      if (label.starts_with('"')) label.remove_prefix(1);
      if (contains(j.profile.selinux.types, selinux_type(label))) return true;
      deny("selinux.type", std::string(option), joined(j.profile.selinux.types),
           "use a label of the container's types");
      return false;
    }
    return true;
  }

  bool source_allowed() {
    if (mount.type != "bind") return true;
    const std::string& real = j.resolved(mount.source);
    if (!is_plain_source(real)) {
      deny("mounts.source", describe(mount), "absolute sources without \"..\" and \"//\"",
           "name the source by its full path");
      return false;
    }
    for (const auto& source : {mount.source, real}) {
      const std::string* folder = forbidden_source(j, source);
      if (folder == nullptr) continue;
      deny("mounts.forbidden-source", describe(mount), "nothing that shows " + *folder,
           "bind a folder that holds only what the container needs");
      return false;
    }
    return true;
  }

  // Whom the files of host id 0 belong to through the mapping, that one is root on the source; what
  // is shown as the host's root's runs with its rights where a set-user-ID bit is. A container that
  // may be root is that without any mapping.
  bool gives_root() const {
    const auto& linux_section = j.spec.linux;
    const bool own = !mount.uid_mappings.empty();
    const auto covers_root = [](const oci::IdMapping& map) {
      return map.container_id == 0 || map.host_id == 0;
    };
    const auto& uids = own ? mount.uid_mappings : linux_section.uid_mappings;
    const auto& gids = own ? mount.gid_mappings : linux_section.gid_mappings;
    const bool unknown = uids.empty() || gids.empty();
    return unknown || std::ranges::any_of(uids, covers_root) ||
           std::ranges::any_of(gids, covers_root);
  }

  bool idmap_allowed(const MountRule* rule) {
    if (!mount.idmapped()) return true;
    if (rule == nullptr || !rule->idmap) {
      deny("mounts.idmap", describe(mount) + ", idmapped", "binds that are not idmapped",
           "remove the mappings, or have idmap added to the profile's rule");
      return false;
    }
    if (j.profile.user.root == RootUser::always || !gives_root()) return true;
    deny("mounts.idmap-root", describe(mount) + ", with root's files given to the container",
         "mappings that leave out id 0 on both sides",
         "map the ids that own the files, and not root's");
    return false;
  }

  const MountRule* find_rule() const {
    const auto matches = [&](const MountRule& rule) {
      if (rule.type != mount.type || !path_matches(rule.destination, mount.destination))
        return false;
      return mount.type != "bind" || path_matches(rule.source, j.resolved(mount.source));
    };
    const auto& rules = j.profile.mounts.rules;
    const auto at = std::ranges::find_if(rules, matches);
    return at == rules.end() ? nullptr : &*at;
  }

  // A file of that name and no link to another one, no folder, no device. The engine's /dev/shm is
  // replaced, whatever it is.
  bool is_engine_file() const {
    return mount.type == "bind" && contains(j.profile.mounts.engine_files, mount.destination) &&
           base_name(j.resolved(mount.source)) == base_name(mount.destination) &&
           (mount.destination == kShm || j.context.regular_files.contains(mount.source));
  }

  void require(std::string_view rule, std::span<const std::string> options) {
    std::vector<std::string> added;
    for (const auto& option : options)
      if (require_option(mount, option)) added.push_back(option);
    if (added.empty()) return;
    j.tighten(std::string(rule), pointer + "/options", describe(mount), "with " + joined(added),
              "");
  }

  void apply_rule(const MountRule& rule) {
    require("mounts.options", rule.options);
    static const std::string kReadOnly[] = {"ro"};
    if (mount.type == "bind" && !rule.unsafe_write) require("mounts.writable", kReadOnly);
  }

  void apply_engine_file() {
    if (mount.destination == kShm) {
      j.tighten("mounts.shm", pointer, describe(mount), "a new tmpfs at /dev/shm", "");
      mount = {std::string(kShm),
               "tmpfs",
               "shm",
               {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}};
      if (const MountRule* rule = find_rule()) return apply_rule(*rule);
      return deny("mounts.rule", describe(mount), "the mounts that mounts.rules lists",
                  "have a tmpfs at /dev/shm added to the profile");
    }
    static const std::string kOptions[] = {"ro", "nosuid", "nodev", "noexec"};
    require("mounts.engine-file", kOptions);
  }

  void judge() {
    if (!kernel_places() || !options_allowed() || !source_allowed()) return;
    const MountRule* rule = find_rule();
    if ((rule != nullptr || is_engine_file()) && !idmap_allowed(rule)) return;
    if (rule != nullptr) return apply_rule(*rule);
    if (is_engine_file()) return apply_engine_file();
    deny("mounts.rule", describe(mount), "the mounts that mounts.rules lists",
         "remove the mount, or have a rule added to the profile");
  }
};

// The request itself has been read from there; the container has no use for it.
void drop_job_file(Judgement& j) {
  if (!j.context.job) return;
  const auto is_job = [](const oci::Mount& m) { return m.destination == kJobFile; };
  const auto at = std::ranges::find_if(j.spec.mounts, is_job);
  if (at == j.spec.mounts.end()) return;
  const auto index = std::to_string(at - j.spec.mounts.begin());
  j.tighten("mounts.job-file", "/mounts/" + index, describe(*at), "no mount of the job request",
            "");
  std::erase_if(j.spec.mounts, is_job);
}

}  // namespace

void judge_mounts(Judgement& j) {
  judge_root(j);
  for (std::size_t i = 0; i < j.spec.mounts.size(); ++i) {
    auto& mount = j.spec.mounts[i];
    if (j.context.job && mount.destination == kJobFile) continue;
    MountJudge{j, mount, "/mounts/" + std::to_string(i)}.judge();
  }
  drop_job_file(j);
}

}  // namespace casemate::policy
