// Seccomp programs (classic BPF) from the OCI configuration, compiled by libseccomp when the cache
// has none (cache.h).
#pragma once

#include <linux/filter.h>

#include <vector>

#include "shim/base/result.h"
#include "shim/oci/spec.h"

namespace casemate::seccomp {

struct Options {
  // For casemate's own filters: only the native calling convention is answered, whatever
  // `architectures` says; every other one, x32 included, kills the process.
  bool native_only = false;
};

// Rules are read as runc reads them: names that libseccomp does not know are skipped, rules whose
// action is the default one are left out, an argument index that is named twice means "or". When
// the default action is ERRNO (other than ENOSYS), system calls newer than the newest one the
// profile names get ENOSYS, so that programs fall back to older ones. bad_input "seccomp.action",
// "seccomp.operator", "seccomp.argument", "seccomp.errno", "seccomp.architecture", "seccomp.rule";
// unsupported "seccomp.notify"; bad_input "seccomp.too-large" beyond 4096
// instructions.
Result<std::vector<sock_filter>> compile(const oci::Seccomp& asked, const Options& options = {});

// The flags for seccomp(2) that the configuration asks for. unsupported "seccomp.flag" on others
// than TSYNC, LOG and SPEC_ALLOW.
Result<unsigned> load_flags(const oci::Seccomp& asked);

}  // namespace casemate::seccomp
