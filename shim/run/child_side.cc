#include "shim/run/child_side.h"

#include <unistd.h>

#include "shim/base/json.h"
#include "shim/sys/helper.h"

namespace casemate::run {

// write(2) and read(2) on the sequenced-packet sockets: the only calls that are certain to pass the
// container's own filter.
Status say(sys::Kernel& kernel, int socket, char kind, const std::string& text) {
  TRY(kernel.write(socket, std::string(1, kind) + text));
  return {};
}

void fail(sys::Kernel& kernel, int socket, const Error& error) {
  static_cast<void>(say(kernel, socket, 'E', dump(sys::error_to_json(error))));
  ::_exit(error.exit_code());
}

Status wait_for_go(sys::Kernel& kernel, int socket) {
  if (TRY(kernel.read(socket, 16)) == "g") return {};
  return internal("init.abandoned", "nobody waits for this container any more");
}

// The first user of a new user namespace has no id until the parent has written the maps.
Status become_root_in_user_namespace(sys::Kernel& kernel, const plan::Plan& plan) {
  if (plan.find<plan::IdMaps>() == nullptr) return {};
  TRY(kernel.setresgid(0));
  return kernel.setresuid(0);
}

}  // namespace casemate::run
