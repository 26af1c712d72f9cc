#include "shim/run/init_process.h"

#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "shim/apply/init.h"
#include "shim/cgroup/cgroup.h"
#include "shim/plan/names.h"
#include "shim/run/child_side.h"
#include "shim/run/preserved_fds.h"
#include "shim/sys/helper.h"
#include "shim/sys/inherited.h"

namespace casemate::run {
namespace {

constexpr std::size_t kMaxMessage = 64 << 10;

// Nobody of the same user, or with power over a namespace that we share, may look into init before
// it has become the container's program (CVE-2016-9962). Its own files in /proc are the host root's
// from now on: what has to be written there in a user namespace the parent writes (launch.cc).
Status hide_self(sys::Kernel& kernel) {
  return kernel.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

Status join_namespaces(sys::Kernel& kernel, const std::vector<JoinedNamespace>& joined) {
  for (const JoinedNamespace& one : joined)
    TRY(kernel.setns(one.fd.get(), static_cast<int>(plan::clone_flag(one.type))));
  return {};
}

std::vector<int> kept_descriptors(const InitArguments& arguments) {
  std::vector<int> keep = preserved_fds(arguments.preserve_fds);
  keep.insert(keep.end(), {arguments.sync_socket, arguments.start_socket});
  return keep;
}

std::string attached_json(const std::vector<apply::Attached>& attached) {
  Json json = Json::array();
  for (const apply::Attached& one : attached) json.push_back({one.step, one.mount_id});
  return dump(json);
}

Status prepare_self(sys::Kernel& kernel, const InitArguments& arguments) {
  sys::reset_signals();
  TRY(kernel.setsid());
  TRY(hide_self(kernel));
  TRY(become_root_in_user_namespace(kernel, arguments.plan));
  TRY(kernel.umask(0));
  if (arguments.plan.find<plan::Namespaces>()->makes(oci::NamespaceType::cgroup))
    TRY(kernel.unshare(CLONE_NEWCGROUP));
  return join_namespaces(kernel, arguments.joined);
}

Status build(sys::Kernel& kernel, const InitArguments& arguments, apply::InitContext& context) {
  for (const int fd : arguments.not_for_init) ::close(fd);
  // So early that all that follows is accounted and limited. A process that moves itself does not
  // wait for the kernel's grace period.
  TRY(cgroup::Cgroup::join_self(kernel, arguments.cgroup_files));
  TRY(wait_for_go(kernel, arguments.sync_socket));
  TRY(prepare_self(kernel, arguments));
  TRY(apply::build_container(context));
  TRY(hide_self(kernel));
  TRY(say(kernel, arguments.sync_socket, 'A', attached_json(context.attached)));
  TRY(sys::close_all_but(kernel, kept_descriptors(arguments)));
  TRY(apply::confine_init(context));
  return say(kernel, arguments.sync_socket, 'R', {});
}

}  // namespace

void run_init(sys::Kernel& kernel, const InitArguments& arguments) {
  apply::InitContext context{.kernel = kernel,
                             .plan = arguments.plan,
                             .prepared = arguments.prepared,
                             .state = arguments.state,
                             .console_socket = arguments.console_socket};
  if (const Status built = build(kernel, arguments, context); !built)
    fail(kernel, arguments.sync_socket, built.error());
  if (!wait_for_go(kernel, arguments.start_socket)) ::_exit(0);
  const Error failed = apply::execute(context);
  // The warden reads this one: the error alone, see shim/warden/protocol.h.
  static_cast<void>(kernel.write(arguments.start_socket, dump(sys::error_to_json(failed))));
  ::_exit(failed.exit_code());
}

Result<InitMessage> receive_from_init(sys::Kernel& kernel, int sync_socket,
                                      std::chrono::milliseconds deadline) {
  pollfd ready{.fd = sync_socket, .events = POLLIN, .revents = 0};
  if (::poll(&ready, 1, static_cast<int>(deadline.count())) == 0)
    return internal("init.deadline", "the container's init did not finish in time",
                    "look for a hook, a mount or a console that does not answer");
  const std::string text = TRY(kernel.read(sync_socket, kMaxMessage));
  if (text.empty())
    return internal("init.died", "the container's process died while it was prepared");
  if (text[0] != 'E') return InitMessage{text[0], text.substr(1)};
  const Json error = TRY(parse_json(std::string_view(text).substr(1)));
  return std::unexpected(sys::error_from_json(error));
}

Result<std::vector<apply::Attached>> parse_attached(const std::string& text) {
  const Json json = TRY(parse_json(text));
  if (!json.is_array()) return internal("init.message", "init sent no list of mount ids");
  std::vector<apply::Attached> attached;
  for (const Json& one : json) {
    const bool pair = one.is_array() && one.size() == 2 && one[0].is_number_unsigned() &&
                      one[1].is_number_unsigned();
    if (!pair) return internal("init.message", "init sent malformed mount ids");
    attached.push_back({one[0].get<std::size_t>(), one[1].get<std::uint64_t>()});
  }
  return attached;
}

}  // namespace casemate::run
