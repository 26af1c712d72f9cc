#include "shim/seccomp/library.h"

#include <dlfcn.h>

#include <string>

namespace casemate::seccomp {
namespace {

template <class Function>
bool bind(void* handle, const char* name, Function& out) {
  out = reinterpret_cast<Function>(::dlsym(handle, name));
  return out != nullptr;
}

Result<Library> load() {
  const char* const hint = "install the package libseccomp2";
  void* handle = ::dlopen(library_path(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* why = ::dlerror();
    return unsupported("seccomp.library",
                       "load libseccomp: " + std::string(why != nullptr ? why : "unknown"), hint);
  }
  Library lib;
  const bool whole = bind(handle, "seccomp_init", lib.init) &&
                     bind(handle, "seccomp_release", lib.release) &&
                     bind(handle, "seccomp_arch_add", lib.arch_add) &&
                     bind(handle, "seccomp_attr_set", lib.attr_set) &&
                     bind(handle, "seccomp_rule_add_array", lib.rule_add_array) &&
                     bind(handle, "seccomp_syscall_resolve_name", lib.resolve_name) &&
                     bind(handle, "seccomp_syscall_resolve_name_arch", lib.resolve_name_arch) &&
                     bind(handle, "seccomp_export_bpf", lib.export_bpf);
  if (!whole) return unsupported("seccomp.library", "libseccomp lacks a function", hint);
  return lib;
}

}  // namespace

const char* library_path() {
  return CASEMATE_LIBSECCOMP;
}

Result<const Library*> library() {
  static const Result<Library> loaded = load();
  if (!loaded) return std::unexpected(loaded.error());
  return &*loaded;
}

}  // namespace casemate::seccomp
