#include <fcntl.h>
#include <linux/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "shim/apply/attach.h"
#include "shim/apply/steps.h"

namespace casemate::apply {
namespace {

constexpr mode_t kDefaultMode = 0666;

mode_t type_bits(char type) {
  switch (type) {
    case 'b':
      return S_IFBLK;
    case 'p':
      return S_IFIFO;
    default:
      return S_IFCHR;
  }
}

// A node that is there already must be the one that was asked for.
Result<struct stat> existing(InitContext& context, const fs::SafeRoot::Place& place,
                             const oci::Device& device) {
  const struct stat found =
      TRY(context.kernel.fstatat(place.parent.get(), place.name, AT_SYMLINK_NOFOLLOW));
  const dev_t number =
      ::makedev(static_cast<unsigned>(device.major), static_cast<unsigned>(device.minor));
  if ((found.st_mode & S_IFMT) == type_bits(device.type) &&
      (device.type == 'p' || found.st_rdev == number))
    return found;
  return denied("device.occupied", device.path + " exists and is another file",
                "remove the file from the image, or the device from the request");
}

// What mknod(2) made is looked at: its owner and mode decide who may use it.
Status check_made(InitContext& context, const fs::SafeRoot::Place& place,
                  const oci::Device& device) {
  const struct stat found = TRY(existing(context, place, device));
  if ((found.st_mode & 07777) == device.file_mode.value_or(kDefaultMode) &&
      found.st_uid == device.uid.value_or(found.st_uid) &&
      found.st_gid == device.gid.value_or(found.st_gid))
    return {};
  return internal("readback.device", device.path + " has another owner or mode than was planned",
                  "the container was not started; report this with the plan");
}

// In a user namespace mknod(2) is not allowed: the host's own node is bound instead. Before
// pivot_root(2) absolute paths still are the host's.
Status bind_host_device(InitContext& context, const oci::Device& device) {
  const UniqueFd clone =
      TRY(context.kernel.open_tree(AT_FDCWD, device.path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
  const struct stat status = TRY(stat_of(context.kernel, clone.get()));
  const dev_t number =
      ::makedev(static_cast<unsigned>(device.major), static_cast<unsigned>(device.minor));
  if ((status.st_mode & S_IFMT) != type_bits(device.type) || status.st_rdev != number)
    return denied("device.host-node", device.path + " of the host is another device",
                  "ask for a device by its own numbers");
  const UniqueFd target = TRY(context.root->make_file(device.path));
  return context.kernel.move_mount(clone.get(), target.get());
}

}  // namespace

Status apply(InitContext& context, const plan::MakeDevice& step) {
  const oci::Device& device = step.device;
  const fs::SafeRoot::Place place = TRY(context.root->make_parent(device.path));
  const mode_t mode = device.file_mode.value_or(kDefaultMode);
  const dev_t number =
      ::makedev(static_cast<unsigned>(device.major), static_cast<unsigned>(device.minor));
  const Status made =
      context.kernel.mknodat(place.parent.get(), place.name, type_bits(device.type) | mode, number);
  if (!made && is_errno(made.error(), EPERM)) return bind_host_device(context, device);
  if (!made && is_errno(made.error(), EEXIST)) {
    TRY(existing(context, place, device));
    return {};
  }
  if (!made) return std::unexpected(Error(made.error()).with_context(device.path));
  if (device.uid || device.gid)
    TRY(context.kernel.fchownat(place.parent.get(), place.name, device.uid.value_or(0),
                                device.gid.value_or(0), AT_SYMLINK_NOFOLLOW));
  return check_made(context, place, device);
}

Status apply(InitContext& context, const plan::MakeSymlink& step) {
  const fs::SafeRoot::Place place = TRY(context.root->make_parent(step.path));
  const Status made = context.kernel.symlinkat(step.target, place.parent.get(), place.name);
  if (made || is_errno(made.error(), EEXIST)) return {};
  return made;
}

}  // namespace casemate::apply
