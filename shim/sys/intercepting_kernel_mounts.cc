// Mounts by descriptor.

#include "shim/sys/intercept.h"
#include "shim/sys/intercepting_kernel.h"
#include "shim/sys/render.h"

namespace casemate::sys {

Result<UniqueFd> InterceptingKernel::fsopen(const std::string& type) {
  return intercept<UniqueFd>(*this, "fsopen", type, [&] { return inner_.fsopen(type); });
}

Status InterceptingKernel::fsconfig_flag(int fs, const std::string& key) {
  return intercept<void>(*this, "fsconfig", printable(key),
                         [&] { return inner_.fsconfig_flag(fs, key); });
}

Status InterceptingKernel::fsconfig_string(int fs, const std::string& key,
                                           const std::string& value) {
  return intercept<void>(*this, "fsconfig", printable(key) + "=" + printable(value),
                         [&] { return inner_.fsconfig_string(fs, key, value); });
}

Status InterceptingKernel::fsconfig_create(int fs) {
  return intercept<void>(*this, "fsconfig", "CREATE", [&] { return inner_.fsconfig_create(fs); });
}

Status InterceptingKernel::fsconfig_reconfigure(int fs) {
  return intercept<void>(*this, "fsconfig", "RECONFIGURE",
                         [&] { return inner_.fsconfig_reconfigure(fs); });
}

Result<UniqueFd> InterceptingKernel::fsmount(int fs, unsigned attributes) {
  return intercept<UniqueFd>(*this, "fsmount", render_mount_attributes(attributes),
                             [&] { return inner_.fsmount(fs, attributes); });
}

Result<UniqueFd> InterceptingKernel::fspick(int mount, unsigned flags) {
  return intercept<UniqueFd>(*this, "fspick", std::to_string(flags),
                             [&] { return inner_.fspick(mount, flags); });
}

Result<UniqueFd> InterceptingKernel::open_tree(int dir, const std::string& path, unsigned flags) {
  return intercept<UniqueFd>(*this, "open_tree", printable(path) + " " + render_open_tree(flags),
                             [&] { return inner_.open_tree(dir, path, flags); });
}

Status InterceptingKernel::move_mount(int mount, int target) {
  return intercept<void>(*this, "move_mount", "", [&] { return inner_.move_mount(mount, target); });
}

Status InterceptingKernel::mount_setattr(int mount, unsigned flags, const mount_attr& attributes) {
  return intercept<void>(*this, "mount_setattr", render_mount_attr(flags, attributes),
                         [&] { return inner_.mount_setattr(mount, flags, attributes); });
}

Status InterceptingKernel::pivot_root_here() {
  return intercept<void>(*this, "pivot_root", "", [&] { return inner_.pivot_root_here(); });
}

Status InterceptingKernel::unmount_here(int flags) {
  return intercept<void>(*this, "umount2", std::to_string(flags),
                         [&] { return inner_.unmount_here(flags); });
}

}  // namespace casemate::sys
