#include "shim/apply/prepare.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "shim/apply/attach.h"
#include "shim/apply/user_namespace.h"
#include "shim/seccomp/cache.h"
#include "shim/seccomp/evaluate.h"

namespace casemate::apply {
namespace {

constexpr std::uint64_t kRestrictions =
    MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
constexpr unsigned kClone = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH;

Status set_attributes(sys::Kernel& kernel, int mount, const plan::MountAttributes& attributes,
                      bool recursive) {
  if (attributes == plan::MountAttributes{}) return {};
  return kernel.mount_setattr(mount, recursive ? AT_RECURSIVE : 0,
                              {.attr_set = attributes.set, .attr_clr = attributes.clear});
}

// A clone keeps its peer group: made private here, so that nothing below it reaches the host.
Result<UniqueFd> private_clone(sys::Kernel& kernel, int source, bool recursive) {
  const unsigned recurse = recursive ? AT_RECURSIVE : 0;
  UniqueFd clone = TRY(kernel.open_tree(source, "", kClone | recurse));
  TRY(kernel.mount_setattr(clone.get(), recurse, {.propagation = MS_PRIVATE}));
  return clone;
}

// A clone for a mount that asked for slave or shared propagation keeps receiving the host's mounts.
Result<UniqueFd> bind_clone(sys::Kernel& kernel, const plan::AttachMount& step, int source) {
  const bool recursive = step.options.bind_recursive;
  const bool receives =
      step.options.propagation == MS_SLAVE || step.options.propagation == MS_SHARED;
  if (!receives) return private_clone(kernel, source, recursive);
  return kernel.open_tree(source, "", kClone | (recursive ? AT_RECURSIVE : 0));
}

// The id that the mapping shows for an owner of the source; nothing when it leaves that one out.
std::optional<std::uint32_t> shown(const std::vector<oci::IdMapping>& maps, std::uint32_t id) {
  for (const oci::IdMapping& map : maps)
    if (id >= map.container_id && id - map.container_id < map.size)
      return map.host_id + (id - map.container_id);
  return std::nullopt;
}

// While the clone is detached: once it is attached the kernel lets nobody change whose files it
// has.
Status set_idmap(sys::Kernel& kernel, const plan::AttachMount& step, int mount) {
  const UniqueFd ids = TRY(new_user_namespace(kernel, *step.idmap));
  const struct stat before = TRY(stat_of(kernel, mount));
  const Status done = kernel.mount_setattr(
      mount, step.options.idmap_recursive ? AT_RECURSIVE : 0,
      {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = static_cast<std::uint64_t>(ids.get())});
  if (!done && is_errno(done.error(), EINVAL))
    return unsupported("mount.idmap",
                       "the kernel cannot idmap the file system of " + step.source +
                           (step.options.idmap_recursive ? " or one mounted below it" : ""),
                       "use a source on ext4, xfs, btrfs or (Linux 6.3) tmpfs, not on an overlay");
  if (!done) return done;
  const struct stat after = TRY(stat_of(kernel, mount));
  const auto uid = shown(step.idmap->uids, before.st_uid);
  const auto gid = shown(step.idmap->gids, before.st_gid);
  if ((!uid || *uid == after.st_uid) && (!gid || *gid == after.st_gid)) return {};
  return internal("readback.mount", step.source + " is not shown with the mapped owner",
                  "the container was not started; report this with the plan");
}

Result<UniqueFd> prepare_bind(sys::Kernel& kernel, const plan::AttachMount& step, int source) {
  UniqueFd clone = TRY(bind_clone(kernel, step, source));
  const plan::MountOptions& options = step.options;
  TRY(set_attributes(kernel, clone.get(), options.attributes, false));
  // A restriction that stopped at the first submount would be none: "ro" goes all the way down.
  if (options.bind_recursive)
    TRY(set_attributes(kernel, clone.get(), {.set = options.attributes.set & kRestrictions}, true));
  TRY(set_attributes(kernel, clone.get(), options.recursive_attributes, true));
  if (step.idmap) TRY(set_idmap(kernel, step, clone.get()));
  return clone;
}

// The overlay's upper layer lives in memory only and is overwritten at the end; swap would keep it.
Result<UniqueFd> upper_tmpfs(sys::Kernel& kernel, std::uint64_t bytes) {
  const UniqueFd fs = TRY(kernel.fsopen("tmpfs"));
  TRY(kernel.fsconfig_string(fs.get(), "size", std::to_string(bytes)));
  TRY(kernel.fsconfig_string(fs.get(), "mode", "0700"));
  TRY(kernel.fsconfig_string(fs.get(), "huge", "within_size"));
  // Linux 6.4; a profile that needs it asks for the host fact.
  static_cast<void>(kernel.fsconfig_flag(fs.get(), "noswap"));
  TRY(kernel.fsconfig_create(fs.get()));
  return kernel.fsmount(fs.get(), MOUNT_ATTR_NODEV);
}

// The upper root directory is the one the job sees: it looks like the image's.
Result<UniqueFd> prepare_upper(sys::Kernel& kernel, std::uint64_t bytes, int lower) {
  UniqueFd upper = TRY(upper_tmpfs(kernel, bytes));
  const struct stat like = TRY(stat_of(kernel, lower));
  TRY(kernel.mkdirat(upper.get(), "work", 0700));
  TRY(kernel.mkdirat(upper.get(), "upper", 0700));
  TRY(kernel.fchownat(upper.get(), "upper", like.st_uid, like.st_gid, AT_SYMLINK_NOFOLLOW));
  const open_how how{.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
                     .mode = 0,
                     .resolve = RESOLVE_BENEATH};
  const UniqueFd directory = TRY(kernel.openat2(upper.get(), "upper", how));
  TRY(kernel.fchmod(directory.get(), like.st_mode & 07777));
  return upper;
}

Status prepare_root(sys::Kernel& kernel, const plan::AttachRoot& step, int source, Prepared& out) {
  const bool overlay = step.upper_bytes > 0;
  out.root = TRY(private_clone(kernel, source, !overlay));
  if (overlay) out.upper = TRY(prepare_upper(kernel, step.upper_bytes, out.root.get()));
  return {};
}

std::string directory_name(const cgroup::Hierarchy& hierarchy) {
  const auto slash = hierarchy.mount_point.rfind('/');
  return hierarchy.mount_point.substr(slash + 1);
}

Result<std::vector<Prepared::CgroupMount>> prepare_cgroups(sys::Kernel& kernel,
                                                           const plan::AttachMount& step,
                                                           const PrepareInputs& inputs) {
  std::vector<Prepared::CgroupMount> mounts;
  const bool unified = inputs.hierarchies.size() == 1 && inputs.hierarchies[0].v2;
  for (const cgroup::Hierarchy& hierarchy : inputs.hierarchies) {
    const std::string path = inputs.cgroup.path(hierarchy.v2 ? "" : hierarchy.controllers[0]);
    const open_how how{.flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .mode = 0, .resolve = 0};
    const UniqueFd directory = TRY(kernel.openat2(AT_FDCWD, path, how));
    UniqueFd clone = TRY(private_clone(kernel, directory.get(), false));
    TRY(set_attributes(kernel, clone.get(), step.options.attributes, false));
    mounts.push_back({unified ? "" : directory_name(hierarchy), std::move(clone)});
  }
  return mounts;
}

// What init still has to do once a filter is in force; see plan/compile.cc for the order.
std::vector<seccomp::InitCall> calls_after_filter() {
  return {{"seccomp", SYS_seccomp, {}}, {"prctl", SYS_prctl, {}},
          {"capset", SYS_capset, {}},   {"read", SYS_read, {}},
          {"write", SYS_write, {}},     {"execve", SYS_execve, {}},
          {"close", SYS_close, {}},     {"exit_group", SYS_exit_group, {}}};
}

Result<std::vector<sock_filter>> prepare_filter(sys::Kernel& kernel, const plan::LoadSeccomp& step,
                                                int cache) {
  const seccomp::Options options{.native_only = step.from == plan::FilterSource::profile};
  auto program = TRY(seccomp::load_or_compile(kernel, cache, step.filter, options));
  TRY(seccomp::check_init_calls(program, calls_after_filter()));
  return program;
}

Status prepare_mount(sys::Kernel& kernel, const plan::AttachMount& step, std::size_t index,
                     PrepareInputs& inputs, Prepared& out) {
  switch (step.kind) {
    case plan::MountKind::filesystem:
      return {};
    case plan::MountKind::scratch:
      out.mounts[index] = TRY(new_filesystem(kernel, step));
      return {};
    case plan::MountKind::bind:
      out.mounts[index] = TRY(prepare_bind(kernel, step, TRY(inputs.paths.fd(step.source))));
      return {};
    case plan::MountKind::notify:
      out.mounts[index] = TRY(prepare_bind(kernel, step, inputs.notify));
      return {};
    case plan::MountKind::cgroup:
      out.cgroups[index] = TRY(prepare_cgroups(kernel, step, inputs));
      return {};
    case plan::MountKind::dataset: {
      const auto found = inputs.datasets.find(step.source);
      if (found == inputs.datasets.end())
        return internal("dataset.unopened", "dataset " + step.source + " was not opened");
      out.mounts[index] = std::move(found->second);
      return {};
    }
  }
  return {};
}

Status prepare_step(sys::Kernel& kernel, const plan::Step& step, std::size_t index,
                    PrepareInputs& inputs, Prepared& out) {
  if (const auto* root = std::get_if<plan::AttachRoot>(&step))
    return prepare_root(kernel, *root, TRY(inputs.paths.fd(root->source)), out);
  if (const auto* mount = std::get_if<plan::AttachMount>(&step))
    return prepare_mount(kernel, *mount, index, inputs, out);
  if (const auto* filter = std::get_if<plan::LoadSeccomp>(&step)) {
    out.filters[index] = TRY(prepare_filter(kernel, *filter, inputs.seccomp_cache));
    return {};
  }
  const auto* hooks = std::get_if<plan::RunHooks>(&step);
  if (hooks == nullptr || hooks->phase != "createContainer") return {};
  for (const oci::Hook& hook : hooks->hooks)
    out.hooks[index].push_back(TRY(
        kernel.open_tree(TRY(inputs.paths.fd(hook.path)), "", OPEN_TREE_CLOEXEC | AT_EMPTY_PATH)));
  return {};
}

}  // namespace

Result<Prepared> prepare(sys::Kernel& kernel, const plan::Plan& plan, PrepareInputs inputs) {
  Prepared out;
  for (std::size_t i = 0; i < plan.steps.size(); ++i)
    if (Status done = prepare_step(kernel, plan.steps[i], i, inputs, out); !done)
      return std::unexpected(
          std::move(done.error())
              .with_context("prepare " + std::string(plan::name_of(plan.steps[i]))));
  return out;
}

}  // namespace casemate::apply
