// Compares an unpacked rootfs with the tree that the signed layers make. The rootfs is walked by
// descriptor; no symbolic link is followed and no mount point crossed. Compared: type, permission
// bits, owner, size, SHA-256, link target, device number, security.capability. Not compared: times,
// other xattrs, and which names are hard links of each other (the content is).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "hooks/image/tree.h"
#include "shim/base/result.h"

namespace casemate::image {

// What a rootfs may hold besides the image. Absolute paths; "/dev/*" (or "/dev/**") is everything
// below /dev. Only harmless things pass: directories and empty files that are nobody's set-id
// program, /etc/{hosts,hostname,resolv.conf} with any content or as links, /etc/mtab as the link to
// /proc/mounts; all of it root's, and not writable by others (directories with the sticky bit may
// be).
struct Extras {
  std::vector<std::string> engine_files;
  std::vector<std::string> mount_points;
};

struct Compared {
  std::uint64_t bytes = 0;  // hashed
  std::uint64_t files = 0;  // entries of the image that were found as they should be
};

// `rootfs`: a directory descriptor (O_PATH will do); it stays the caller's. denied "image.content"
// names one path and what differs. `threads` hash the regular files.
Result<Compared> compare_rootfs(int rootfs, const Tree& expected, const Extras& extras,
                                unsigned threads);

// True when `path` is one of the patterns' paths, or a directory on the way to one.
bool may_be_extra(const Extras& extras, const std::string& path);

}  // namespace casemate::image
