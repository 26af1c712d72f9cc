#include <fcntl.h>
#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "shim/apply/attach.h"
#include "shim/apply/copy_up.h"
#include "shim/apply/steps.h"

namespace casemate::apply {
namespace {

// A propagation that was asked for is set once the mount hangs where it belongs.
Status set_propagation(sys::Kernel& kernel, int mount, const plan::MountOptions& options) {
  if (options.propagation == 0) return {};
  return kernel.mount_setattr(mount, options.propagation_recursive ? AT_RECURSIVE : 0,
                              {.propagation = options.propagation});
}

// proc and sysfs on a symbolic link would put their files where later paths do not look
// (CVE-2019-19921): the destination must be a directory by itself.
Status refuse_symlink(InitContext& context, const plan::AttachMount& step) {
  if (step.type != "proc" && step.type != "sysfs") return {};
  const auto found = context.root->open(step.destination, O_PATH | O_NOFOLLOW);
  if (!found) return {};  // absent: made by the caller
  const struct stat status = TRY(stat_of(context.kernel, found->get()));
  if (S_ISDIR(status.st_mode)) return {};
  return denied("mount.symlink", step.destination + " in the image is not a directory",
                "an image must not put a link in place of /proc or /sys", "/mounts");
}

// Through a link of the image a destination may lead into procfs or over the dataset, which no
// mount may cover (CVE-2019-16884).
Status refuse_covered(InitContext& context, const plan::AttachMount& step, int target) {
  const std::uint64_t below = TRY(context.kernel.mount_id(target));
  for (const Attached& one : context.attached) {
    const auto* mount = std::get_if<plan::AttachMount>(&context.plan.steps[one.step]);
    if (one.mount_id != below || mount == nullptr) continue;
    if (mount->type == "proc" || mount->kind == plan::MountKind::dataset)
      return denied("mount.covers", step.destination + " leads into " + mount->destination,
                    "mount it elsewhere", "/mounts");
  }
  return {};
}

Result<UniqueFd> make_target(InitContext& context, const plan::AttachMount& step, bool directory) {
  UniqueFd target = TRY(directory ? context.root->make_directory(step.destination)
                                  : context.root->make_file(step.destination));
  TRY(refuse_covered(context, step, target.get()));
  return target;
}

// Whether what is at the target belongs to the image: it lies on the root, or on a tmpfs that began
// as a copy of it. Of a bind, or what came with one, of sysfs or of a control group nothing is
// copied.
Result<bool> of_the_image(InitContext& context, std::uint64_t below) {
  for (const Attached& one : context.attached) {
    const auto* mount = std::get_if<plan::AttachMount>(&context.plan.steps[one.step]);
    if (one.mount_id == below && mount != nullptr) return mount->type == "tmpfs";
  }
  return below == TRY(context.kernel.mount_id(context.root->fd()));
}

// tmpcopyup, before the mount is attached: nobody sees it half full.
Status fill_tmpfs(InitContext& context, const plan::AttachMount& step, int mount, int target) {
  if (!step.options.copy_up) return {};
  if (!TRY(of_the_image(context, TRY(context.kernel.mount_id(target)))))
    return denied("mount.copy-up", step.destination + " is not a folder of the image",
                  "remove tmpcopyup, or the mount that is there already", "/mounts");
  TRY(copy_up(context.kernel, target, mount, step.options));
  const std::uint64_t readonly = step.options.attributes.set & MOUNT_ATTR_RDONLY;
  if (readonly == 0) return {};
  return context.kernel.mount_setattr(mount, 0, {.attr_set = readonly});
}

Status attach_filesystem(InitContext& context, const plan::AttachMount& step, std::size_t index) {
  TRY(refuse_symlink(context, step));
  const UniqueFd mount = TRY(new_filesystem(context.kernel, step));
  const UniqueFd target = TRY(make_target(context, step, true));
  TRY(fill_tmpfs(context, step, mount.get(), target.get()));
  TRY(attach(context, mount.get(), target.get(), index));
  return set_propagation(context.kernel, mount.get(), step.options);
}

Status attach_prepared(InitContext& context, const plan::AttachMount& step, std::size_t index) {
  const auto found = context.prepared.mounts.find(index);
  if (found == context.prepared.mounts.end())
    return internal("mount.unprepared", step.destination + ": the parent prepared no mount");
  const int mount = found->second.get();
  const struct stat status = TRY(stat_of(context.kernel, mount));
  const UniqueFd target = TRY(make_target(context, step, S_ISDIR(status.st_mode)));
  TRY(fill_tmpfs(context, step, mount, target.get()));
  TRY(attach(context, mount, target.get(), index));
  return set_propagation(context.kernel, mount, step.options);
}

Result<UniqueFd> small_tmpfs(sys::Kernel& kernel, unsigned attributes) {
  const UniqueFd fs = TRY(kernel.fsopen("tmpfs"));
  TRY(kernel.fsconfig_string(fs.get(), "mode", "0755"));
  TRY(kernel.fsconfig_create(fs.get()));
  return kernel.fsmount(fs.get(), attributes);
}

// cgroup v1: a tmpfs with one directory a hierarchy, each showing the container's own cgroup.
// Unified: the container's own cgroup itself.
Status attach_cgroups(InitContext& context, const plan::AttachMount& step, std::size_t index) {
  sys::Kernel& kernel = context.kernel;
  const auto& cgroups = context.prepared.cgroups[index];
  const UniqueFd target = TRY(make_target(context, step, true));
  if (cgroups.size() == 1 && cgroups[0].name.empty())
    return attach(context, cgroups[0].mount.get(), target.get(), index);

  const std::uint64_t attributes = step.options.attributes.set;
  const UniqueFd tmpfs =
      TRY(small_tmpfs(kernel, static_cast<unsigned>(attributes & ~MOUNT_ATTR_RDONLY)));
  TRY(attach(context, tmpfs.get(), target.get(), index));
  for (const Prepared::CgroupMount& cgroup : cgroups) {
    TRY(kernel.mkdirat(tmpfs.get(), cgroup.name, 0755));
    const open_how how{.flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
                       .mode = 0,
                       .resolve = RESOLVE_BENEATH};
    const UniqueFd place = TRY(kernel.openat2(tmpfs.get(), cgroup.name, how));
    TRY(attach(context, cgroup.mount.get(), place.get(), index));
  }
  return kernel.mount_setattr(tmpfs.get(), 0, {.attr_set = attributes & MOUNT_ATTR_RDONLY});
}

}  // namespace

Status apply(InitContext& context, const plan::AttachMount& step, std::size_t index) {
  const auto attach_kind = [&]() -> Status {
    switch (step.kind) {
      case plan::MountKind::filesystem:
        return attach_filesystem(context, step, index);
      case plan::MountKind::cgroup:
        return attach_cgroups(context, step, index);
      case plan::MountKind::bind:
      case plan::MountKind::dataset:
      case plan::MountKind::scratch:
      case plan::MountKind::notify:
        return attach_prepared(context, step, index);
    }
    return internal("mount.kind", "unknown kind of mount");
  };
  if (Status done = attach_kind(); !done)
    return std::unexpected(std::move(done.error()).with_context(step.destination));
  return {};
}

}  // namespace casemate::apply
