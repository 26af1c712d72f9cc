// libseccomp, loaded when the first program is compiled.
#pragma once

#include <seccomp.h>

#include "shim/base/result.h"

namespace casemate::seccomp {

// The functions in use, by their names without the prefix.
struct Library {
  decltype(&seccomp_init) init = nullptr;
  decltype(&seccomp_release) release = nullptr;
  decltype(&seccomp_arch_add) arch_add = nullptr;
  decltype(&seccomp_attr_set) attr_set = nullptr;
  decltype(&seccomp_rule_add_array) rule_add_array = nullptr;
  decltype(&seccomp_syscall_resolve_name) resolve_name = nullptr;
  decltype(&seccomp_syscall_resolve_name_arch) resolve_name_arch = nullptr;
  decltype(&seccomp_export_bpf) export_bpf = nullptr;
};

// unsupported "seccomp.library" when it is not installed or lacks a function. Never unloaded.
Result<const Library*> library();

// The file that library() loads; its identity is part of the cache's key.
const char* library_path();

}  // namespace casemate::seccomp
