// The mount options of config.json (runtime-spec "mounts", mount(8)) as what the kernel's mount API
// wants. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "shim/base/result.h"

namespace casemate::plan {

// Attributes for mount_setattr(2): what to set and what to clear (MOUNT_ATTR_…).
struct MountAttributes {
  std::uint64_t set = 0;
  std::uint64_t clear = 0;
  bool operator==(const MountAttributes&) const = default;
};

struct MountOptions {
  bool bind = false;
  bool bind_recursive = false;           // rbind
  MountAttributes attributes;            // of this mount
  MountAttributes recursive_attributes;  // rro, rnosuid, …: of this mount and all below it
  std::uint64_t propagation = 0;         // MS_PRIVATE, MS_SLAVE, …; 0 when not asked
  bool propagation_recursive = false;
  bool idmap = false;              // "idmap", "ridmap"
  bool idmap_recursive = false;    // "ridmap": of all mounts below too
  bool copy_up = false;            // "tmpcopyup": begins with what the image has there
  std::vector<std::string> flags;  // superblock flags: "sync", "dirsync", "lazytime"
  std::vector<std::pair<std::string, std::string>>
      data;  // file system's own options; "" = no value
};

// unsupported (rule "oci.mount-option") for options that are known and not served.
Result<MountOptions> parse_mount_options(const std::vector<std::string>& options,
                                         const std::string& pointer);

// "rprivate", "rslave", … or empty (which is rprivate): {MS_…, recursive}.
Result<std::pair<std::uint64_t, bool>> parse_propagation(const std::string& text);

}  // namespace casemate::plan
