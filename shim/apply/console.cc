#include <asm/ioctls.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "shim/apply/attach.h"
#include "shim/apply/steps.h"

namespace casemate::apply {
namespace {

// The multiplexer of the container's own devpts, checked to be one: another file of that name would
// give away a descriptor of the image's choice (CVE-2025-52565).
Result<UniqueFd> open_master(InitContext& context) {
  UniqueFd master = TRY(context.root->open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_NOFOLLOW));
  const struct stat status = TRY(stat_of(context.kernel, master.get()));
  if (!S_ISCHR(status.st_mode) || status.st_rdev != ::makedev(5, 2))
    return denied("console.ptmx", "/dev/pts/ptmx is not the pseudoterminal multiplexer",
                  "mount a devpts on /dev/pts");
  return master;
}

// The other end by the master's descriptor, never by a path such as /dev/pts/0.
Result<UniqueFd> open_peer(sys::Kernel& kernel, int master) {
  int unlocked = 0;
  TRY(kernel.ioctl(master, TIOCSPTLCK, reinterpret_cast<std::uintptr_t>(&unlocked)));
  return UniqueFd(TRY(kernel.ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC)));
}

Status bind_console(InitContext& context, int peer) {
  const UniqueFd clone =
      TRY(context.kernel.open_tree(peer, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH));
  const UniqueFd target = TRY(context.root->make_file("/dev/console"));
  return context.kernel.move_mount(clone.get(), target.get());
}

}  // namespace

Status apply(InitContext& context, const plan::AttachConsole& step) {
  sys::Kernel& kernel = context.kernel;
  const UniqueFd master = TRY(open_master(context));
  const UniqueFd peer = TRY(open_peer(kernel, master.get()));
  if (step.size) {
    const winsize size{
        .ws_row = step.size->height, .ws_col = step.size->width, .ws_xpixel = 0, .ws_ypixel = 0};
    TRY(kernel.ioctl(master.get(), TIOCSWINSZ, reinterpret_cast<std::uintptr_t>(&size)));
  }
  if (step.bind) TRY(bind_console(context, peer.get()));
  const int sent[] = {master.get()};
  TRY(kernel.send(context.console_socket, "/dev/pts/ptmx", sent));
  const auto* credentials = context.plan.find<plan::SetCredentials>();
  if (credentials != nullptr)
    TRY(kernel.fchownat(peer.get(), "", credentials->user.uid, static_cast<gid_t>(-1),
                        AT_EMPTY_PATH));
  for (const int standard : {0, 1, 2}) TRY(kernel.dup2(peer.get(), standard));
  TRY(kernel.ioctl(0, TIOCSCTTY, 0));
  return {};
}

}  // namespace casemate::apply
