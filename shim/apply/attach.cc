#include "shim/apply/attach.h"

#include <fcntl.h>
#include <linux/mount.h>

namespace casemate::apply {
namespace {

Status set_option(sys::Kernel& kernel, int fs, const std::string& key, const std::string& value) {
  return value.empty() ? kernel.fsconfig_flag(fs, key) : kernel.fsconfig_string(fs, key, value);
}

}  // namespace

Result<UniqueFd> new_filesystem(sys::Kernel& kernel, const plan::AttachMount& step) {
  const UniqueFd fs = TRY(kernel.fsopen(step.type));
  if (!step.source.empty()) TRY(kernel.fsconfig_string(fs.get(), "source", step.source));
  for (const std::string& flag : step.options.flags) TRY(kernel.fsconfig_flag(fs.get(), flag));
  for (const auto& [key, value] : step.options.data)
    // A new instance is the only kind there is since Linux 4.7; the option is history.
    if (key != "newinstance") TRY(set_option(kernel, fs.get(), key, value));
  if (!step.label.empty()) TRY(kernel.fsconfig_string(fs.get(), "context", step.label));
  // Linux 6.4; a profile that needs it asks for the host fact.
  if (step.kind == plan::MountKind::scratch)
    static_cast<void>(kernel.fsconfig_flag(fs.get(), "noswap"));
  TRY(kernel.fsconfig_create(fs.get()));
  std::uint64_t attributes = step.options.attributes.set;
  if (step.options.copy_up) attributes &= ~std::uint64_t{MOUNT_ATTR_RDONLY};  // see fill_tmpfs
  return kernel.fsmount(fs.get(), static_cast<unsigned>(attributes));
}

Status attach(InitContext& context, int mount, int target, std::size_t step) {
  const std::uint64_t id = TRY(context.kernel.mount_id(mount));
  TRY(context.kernel.move_mount(mount, target));
  context.attached.push_back({step, id});
  return {};
}

Result<struct stat> stat_of(sys::Kernel& kernel, int fd) {
  return kernel.fstatat(fd, "", AT_EMPTY_PATH);
}

bool is_errno(const Error& error, int number) {
  return error.sys_errno == number;
}

}  // namespace casemate::apply
