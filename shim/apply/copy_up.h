// tmpcopyup (an extension that runc and crun have): what the image has at the destination of a
// tmpfs, copied into the tmpfs before it covers it.
//
// Copied are regular files, directories and symbolic links (as links, never followed), with owner,
// group and permissions. Not kept: set-user-ID and set-group-ID bits of files, extended attributes
// (and with them file capabilities and ACLs), times, and that two names are one file. Left out:
// devices, FIFOs, sockets, and what is mounted below. The folder's own owner and permissions become
// the tmpfs', unless its options say other ones.
#pragma once

#include <cstdint>

#include "shim/base/result.h"
#include "shim/plan/mount_options.h"
#include "shim/sys/kernel.h"

namespace casemate::apply {

// What an image may make init do. The size= of the tmpfs and the limit of the container's memory
// hold besides.
struct CopyBounds {
  std::uint64_t bytes = std::uint64_t{1} << 30;
  std::uint64_t entries = 1 << 16;
  std::size_t depth = 64;  // folders in folders
};

// `folder` (may be O_PATH) is what the image has; `tmpfs` the root of the empty mount, not
// read-only. denied "mount.copy-up" beyond the bounds, when the tmpfs is full, and when a file
// becomes another one meanwhile; internal "readback.copy-up" when a copy is not like its original.
Status copy_up(sys::Kernel& kernel, int folder, int tmpfs, const plan::MountOptions& options,
               const CopyBounds& bounds = {});

}  // namespace casemate::apply
