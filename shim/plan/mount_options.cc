#include "shim/plan/mount_options.h"

#include <linux/mount.h>
#include <sys/mount.h>

#include <array>
#include <string_view>

namespace casemate::plan {
namespace {

// The access-time attributes share a mask: setting one clears the others.
struct Attribute {
  std::string_view name;
  std::uint64_t set;
  std::uint64_t clear;
};
constexpr std::array kAttributes = {
    Attribute{"ro", MOUNT_ATTR_RDONLY, 0},
    Attribute{"rw", 0, MOUNT_ATTR_RDONLY},
    Attribute{"nosuid", MOUNT_ATTR_NOSUID, 0},
    Attribute{"suid", 0, MOUNT_ATTR_NOSUID},
    Attribute{"nodev", MOUNT_ATTR_NODEV, 0},
    Attribute{"dev", 0, MOUNT_ATTR_NODEV},
    Attribute{"noexec", MOUNT_ATTR_NOEXEC, 0},
    Attribute{"exec", 0, MOUNT_ATTR_NOEXEC},
    Attribute{"nosymfollow", MOUNT_ATTR_NOSYMFOLLOW, 0},
    Attribute{"symfollow", 0, MOUNT_ATTR_NOSYMFOLLOW},
    Attribute{"noatime", MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME},
    Attribute{"atime", MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME},
    Attribute{"relatime", MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME},
    Attribute{"norelatime", MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME},
    Attribute{"strictatime", MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME},
    Attribute{"nostrictatime", MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME},
    Attribute{"nodiratime", MOUNT_ATTR_NODIRATIME, 0},
    Attribute{"diratime", 0, MOUNT_ATTR_NODIRATIME},
};

struct Propagation {
  std::string_view name;
  std::uint64_t type;
};
constexpr std::array kPropagations = {
    Propagation{"private", MS_PRIVATE},
    Propagation{"slave", MS_SLAVE},
    Propagation{"shared", MS_SHARED},
    Propagation{"unbindable", MS_UNBINDABLE},
};

const Attribute* find_attribute(std::string_view name) {
  for (const Attribute& attribute : kAttributes)
    if (attribute.name == name) return &attribute;
  return nullptr;
}

void apply(MountAttributes& attributes, const Attribute& one) {
  attributes.set = (attributes.set & ~one.clear) | one.set;
  attributes.clear = (attributes.clear & ~one.set) | one.clear;
}

std::uint64_t find_propagation(std::string_view name) {
  for (const Propagation& propagation : kPropagations)
    if (propagation.name == name) return propagation.type;
  return 0;
}

// True when `option` was one of the generic ones, which every file system has.
bool take_generic(MountOptions& out, const std::string& option) {
  if (option == "defaults") return true;
  if (option == "bind" || option == "rbind") {
    out.bind = true;
    out.bind_recursive = option == "rbind";
    return true;
  }
  if (const Attribute* attribute = find_attribute(option)) {
    apply(out.attributes, *attribute);
    return true;
  }
  if (option == "sync" || option == "dirsync" || option == "lazytime") {
    out.flags.push_back(option);
    return true;
  }
  if (option == "idmap" || option == "ridmap") {
    out.idmap = true;
    out.idmap_recursive = out.idmap_recursive || option == "ridmap";
    return true;
  }
  if (option == "tmpcopyup") {
    out.copy_up = true;
    return true;
  }
  if (const std::uint64_t type = find_propagation(option)) {
    out.propagation = type;
    return true;
  }
  if (!option.starts_with('r')) return false;
  const std::string_view rest = std::string_view(option).substr(1);
  if (const std::uint64_t type = find_propagation(rest)) {
    out.propagation = type;
    out.propagation_recursive = true;
    return true;
  }
  if (const Attribute* attribute = find_attribute(rest)) {
    apply(out.recursive_attributes, *attribute);
    return true;
  }
  return false;
}

}  // namespace

Result<MountOptions> parse_mount_options(const std::vector<std::string>& options,
                                         const std::string& pointer) {
  MountOptions out;
  for (std::size_t i = 0; i < options.size(); ++i) {
    const std::string& option = options[i];
    const bool unserved = option == "remount" || option == "mand" || option == "copy-symlink";
    if (unserved)
      return unsupported("oci.mount-option", "mount option \"" + option + "\" is not served",
                         "remove the option", pointer + "/options/" + std::to_string(i));
    if (take_generic(out, option)) continue;
    const auto equals = option.find('=');
    if (equals == std::string::npos)
      out.data.emplace_back(option, "");
    else
      out.data.emplace_back(option.substr(0, equals), option.substr(equals + 1));
  }
  return out;
}

Result<std::pair<std::uint64_t, bool>> parse_propagation(const std::string& text) {
  if (text.empty()) return std::pair<std::uint64_t, bool>{MS_PRIVATE, true};
  const bool recursive = text.starts_with('r');
  const std::uint64_t type =
      find_propagation(recursive ? std::string_view(text).substr(1) : std::string_view(text));
  if (type == 0)
    return bad_input(
        "oci.rootfs-propagation", "unknown propagation \"" + printable(text) + "\"",
        "use private, slave, shared or unbindable, or their recursive forms (rprivate ...)",
        "/linux/rootfsPropagation");
  return std::pair<std::uint64_t, bool>{type, recursive};
}

}  // namespace casemate::plan
