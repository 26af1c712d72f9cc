// Compiled seccomp programs, kept by content: compiling takes 20 ms, several times the rest of a
// container's start; looking one up takes microseconds and does not load libseccomp.
#pragma once

#include <linux/filter.h>

#include <string>
#include <vector>

#include "shim/base/result.h"
#include "shim/oci/spec.h"
#include "shim/seccomp/filter.h"
#include "shim/sys/kernel.h"

namespace casemate::seccomp {

// `cache_dir` is a descriptor of a directory that the caller owns and nobody else may enter (0700;
// otherwise internal "seccomp.cache-dir": whoever may write it decides what filters hold). A file
// that is missing, damaged or not a valid program is made anew, atomically; a cache that cannot be
// written costs time, not the container.
Result<std::vector<sock_filter>> load_or_compile(sys::Kernel& kernel, int cache_dir,
                                                 const oci::Seccomp& asked,
                                                 const Options& options = {});

// Names the program of these arguments made by this casemate and this libseccomp: 64 hex digits,
// the cache's file name.
std::string cache_key(const oci::Seccomp& asked, const Options& options = {});

}  // namespace casemate::seccomp
