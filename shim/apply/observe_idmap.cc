#include "shim/apply/observe_idmap.h"

#include <fcntl.h>
#include <linux/ioctl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "shim/apply/user_namespace.h"

namespace casemate::apply {
namespace {

// include/uapi/linux/{stat,nsfs,mount}.h of Linux 6.15; the headers of older systems lack them.
constexpr unsigned kStatxMountIdUnique = 0x4000;
constexpr unsigned long kMountNamespaceId = _IOR(0xb7, 0x5, std::uint64_t);
constexpr long kStatmount = 457;
constexpr std::uint64_t kUidMap = 0x2000, kGidMap = 0x4000;

struct MountIdRequest {
  std::uint32_t size = sizeof(MountIdRequest), spare = 0;
  std::uint64_t mount_id = 0, wanted = kUidMap | kGidMap, namespace_id = 0;
};
// struct statmount up to the fields that are read here; the strings follow at byte 512.
struct Statmount {
  std::uint32_t size, options;
  std::uint64_t mask;
  std::array<std::uint32_t, 34> others;
  std::uint32_t uid_count, uid_text, gid_count, gid_text;
};
static_assert(offsetof(Statmount, uid_count) == 152);
constexpr std::size_t kStrings = 512;
using Buffer = std::array<char, 64 << 10>;

std::optional<std::uint64_t> unique_mount_id(int fd) {
  struct statx facts = {};
  const bool known = ::statx(fd, "", AT_EMPTY_PATH, kStatxMountIdUnique, &facts) == 0 &&
                     (facts.stx_mask & kStatxMountIdUnique) != 0;
  return known ? std::optional<std::uint64_t>(facts.stx_mnt_id) : std::nullopt;
}

// `count` strings, each with its NUL, one after the other.
Result<std::vector<oci::IdMapping>> map_at(const Buffer& answer, std::uint32_t count,
                                           std::uint32_t offset) {
  std::string lines;
  std::size_t at = kStrings + std::size_t{offset};
  for (std::uint32_t i = 0; i < count && at < answer.size(); ++i) {
    const std::string line(&answer[at], ::strnlen(&answer[at], answer.size() - at));
    at += line.size() + 1;
    lines += line + "\n";
  }
  return parse_id_map(lines);
}

Result<std::optional<plan::IdMaps>> shown_by_kernel(int mount, std::uint64_t mount_namespace) {
  const auto id = unique_mount_id(mount);
  if (!id) return std::optional<plan::IdMaps>();
  const MountIdRequest request{.mount_id = *id, .namespace_id = mount_namespace};
  Buffer answer{};
  if (::syscall(kStatmount, &request, answer.data(), answer.size(), 0) != 0) {
    if (errno == ENOSYS || errno == EINVAL) return std::optional<plan::IdMaps>();
    return sys_error("statmount");
  }
  Statmount facts{};
  std::memcpy(&facts, answer.data(), sizeof facts);
  if ((facts.mask & request.wanted) != request.wanted) return std::optional<plan::IdMaps>();
  plan::IdMaps maps;
  maps.uids = TRY(map_at(answer, facts.uid_count, facts.uid_text));
  maps.gids = TRY(map_at(answer, facts.gid_count, facts.gid_text));
  return std::optional(std::move(maps));
}

// 0 when the kernel has no such numbers.
Result<std::uint64_t> mount_namespace_of(sys::Kernel& kernel, pid_t process) {
  const open_how how{.flags = O_RDONLY | O_CLOEXEC, .mode = 0, .resolve = 0};
  const UniqueFd fd =
      TRY(kernel.openat2(AT_FDCWD, "/proc/" + std::to_string(process) + "/ns/mnt", how));
  std::uint64_t id = 0;
  return ::ioctl(fd.get(), kMountNamespaceId, &id) == 0 ? id : 0;
}

}  // namespace

Status observe_idmaps(const fs::SafeRoot& root, const plan::Plan& plan, pid_t process,
                      plan::Observed& out) {
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    const auto* step = std::get_if<plan::AttachMount>(&plan.steps[i]);
    if (step == nullptr || !step->idmap) continue;
    const auto& ids = out.mount_ids[i];
    if (std::ranges::find(ids, out.mount_at[i]) == ids.end()) continue;  // covered by a later mount
    const std::uint64_t mount_namespace = TRY(mount_namespace_of(root.kernel(), process));
    if (mount_namespace == 0) return {};
    const UniqueFd mount = TRY(root.open(step->destination, O_PATH));
    if (auto maps = TRY(shown_by_kernel(mount.get(), mount_namespace)))
      out.idmaps[i] = std::move(*maps);
  }
  return {};
}

}  // namespace casemate::apply
