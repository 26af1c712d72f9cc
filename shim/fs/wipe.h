// Overwriting what a job leaves in memory: every byte of every file of a tmpfs becomes zero before
// its pages go back to the kernel.
#pragma once

#include <cstdint>

#include "shim/base/result.h"
#include "shim/sys/kernel.h"

namespace casemate::fs {

struct Wiped {
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;  // allocated bytes overwritten; holes are none
  double seconds = 0;
};

// `mount_fd`: a descriptor of the root of a tmpfs mount that is writable as a mount; a superblock
// that was made read-only is made writable first (fspick, fsconfig). Overwrites the allocated
// ranges (SEEK_DATA) of all regular files with zeros, reads a sample back, and removes every name;
// the tree is empty afterwards. Symbolic links, names and extended attributes cannot be overwritten
// from user space: they are freed (hosts set init_on_free=1 for them).
//
// The tree may be hostile: depth, number of files, sparse files, hard links, modes and the
// immutable and append-only flags do not stop it, and it needs a fixed number of descriptors.
// Nobody else may be using the tree. Needs CAP_DAC_OVERRIDE (CAP_LINUX_IMMUTABLE for flags,
// CAP_SYS_ADMIN for the superblock). Uses at least two threads while it runs.
//
// What somebody mounted below it, and keeps alive with its mount namespace, is not touched; a
// folder beneath such a mount that is empty is removed, anything else is internal
// "wipe.incomplete".
//
// Goes on after an error, so that as much as possible is gone; then the first one is returned:
// internal "wipe.readback" when a sample is not zero, "system.call" otherwise.
Result<Wiped> wipe_tree(sys::Kernel& kernel, int mount_fd);

}  // namespace casemate::fs
