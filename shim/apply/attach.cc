#include "shim/apply/attach.h"

#include <fcntl.h>

namespace casemate::apply {

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
