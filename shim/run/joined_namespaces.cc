#include "shim/run/joined_namespaces.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sys/vfs.h>

#include <algorithm>
#include <string>

#include "shim/apply/observe.h"
#include "shim/apply/user_namespace.h"
#include "shim/plan/names.h"

namespace casemate::run {
namespace {

std::unexpected<Error> wrong_type(const oci::Namespace& asked, const std::string& pointer) {
  return bad_input(
      "namespaces.type", asked.path + " is no " + std::string(to_string(asked.type)) + " namespace",
      "name one as /proc/PID/ns/" + std::string(apply::proc_name(asked.type)), pointer);
}

// A FIFO or a device must not even be opened: the path is looked at first, and what was looked at
// is opened by its descriptor.
Result<UniqueFd> open_nsfs(sys::Kernel& kernel, const oci::Namespace& asked,
                           const std::string& pointer) {
  const open_how look{.flags = O_PATH | O_CLOEXEC, .mode = 0, .resolve = 0};
  const UniqueFd path = TRY(kernel.openat2(AT_FDCWD, asked.path, look));
  struct statfs facts = {};
  if (::fstatfs(path.get(), &facts) != 0) return sys_error("fstatfs " + asked.path);
  if (facts.f_type != NSFS_MAGIC) return wrong_type(asked, pointer);
  const open_how how{.flags = O_RDONLY | O_CLOEXEC, .mode = 0, .resolve = 0};
  UniqueFd fd = TRY(kernel.openat2(AT_FDCWD, "/proc/self/fd/" + std::to_string(path.get()), how));
  const auto type = static_cast<std::uint64_t>(TRY(kernel.ioctl(fd.get(), NS_GET_NSTYPE, 0)));
  if (type != plan::clone_flag(asked.type)) return wrong_type(asked, pointer);
  return fd;
}

// By whatever path it is named: the runtime's own namespace is the host's.
Status refuse_own(sys::Kernel& kernel, const oci::Namespace& asked, int fd,
                  const std::string& pointer) {
  const struct stat wanted = TRY(kernel.fstatat(fd, "", AT_EMPTY_PATH));
  const std::string own = std::string("/proc/self/ns/") + apply::proc_name(asked.type);
  const struct stat host = TRY(kernel.fstatat(AT_FDCWD, own, 0));
  if (wanted.st_dev != host.st_dev || wanted.st_ino != host.st_ino) return {};
  return denied("namespaces.host-path",
                asked.path + " is the host's " + std::string(to_string(asked.type)) + " namespace",
                "join a namespace of another container, or ask for a new one", pointer);
}

const JoinedNamespace* find(const std::vector<JoinedNamespace>& joined, oci::NamespaceType type) {
  const auto at = std::ranges::find(joined, type, &JoinedNamespace::type);
  return at == joined.end() ? nullptr : &*at;
}

std::string pointer_to(std::size_t index) {
  return "/linux/namespaces/" + std::to_string(index) + "/path";
}

Status adopt(std::vector<oci::IdMapping>& asked, std::vector<oci::IdMapping> found,
             const char* key) {
  if (!asked.empty() && !apply::same_id_map(asked, found))
    return bad_input("oci.id-mapping",
                     std::string("the user namespace that is joined has other ") + key,
                     "leave uidMappings and gidMappings out, or give the namespace's own",
                     std::string("/linux/") + key);
  asked = std::move(found);
  return {};
}

}  // namespace

Result<std::vector<JoinedNamespace>> open_namespaces(sys::Kernel& kernel, const oci::Linux& asked) {
  std::vector<JoinedNamespace> joined;
  for (std::size_t i = 0; i < asked.namespaces.size(); ++i) {
    const oci::Namespace& one = asked.namespaces[i];
    if (one.path.empty()) continue;
    auto fd = open_nsfs(kernel, one, pointer_to(i));
    const int error = fd ? 0 : fd.error().sys_errno;
    if (error == ENOENT || error == ENOTDIR) continue;
    if (!fd) return std::unexpected(std::move(fd.error()));
    TRY(refuse_own(kernel, one, fd->get(), pointer_to(i)));
    joined.push_back({one.type, std::move(*fd)});
  }
  return joined;
}

Status require_all(const oci::Linux& asked, const std::vector<JoinedNamespace>& joined) {
  for (std::size_t i = 0; i < asked.namespaces.size(); ++i) {
    const oci::Namespace& one = asked.namespaces[i];
    if (!one.path.empty() && find(joined, one.type) == nullptr)
      return bad_input("namespaces.path", one.path + " does not exist",
                       "is the container that it belongs to still running?", pointer_to(i));
  }
  return {};
}

Status adopt_id_mappings(sys::Kernel& kernel, const std::vector<JoinedNamespace>& joined,
                         oci::Linux& section) {
  const JoinedNamespace* user = find(joined, oci::NamespaceType::user);
  if (user == nullptr) return {};
  plan::IdMaps found = TRY(apply::id_maps_of(kernel, user->fd.get()));
  TRY(adopt(section.uid_mappings, std::move(found.uids), "uidMappings"));
  return adopt(section.gid_mappings, std::move(found.gids), "gidMappings");
}

Result<std::map<oci::NamespaceType, std::uint64_t>> inodes_of(
    sys::Kernel& kernel, const std::vector<JoinedNamespace>& joined) {
  std::map<oci::NamespaceType, std::uint64_t> inodes;
  for (const JoinedNamespace& one : joined)
    inodes[one.type] = TRY(kernel.fstatat(one.fd.get(), "", AT_EMPTY_PATH)).st_ino;
  return inodes;
}

}  // namespace casemate::run
