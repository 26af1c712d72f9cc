#include "shim/apply/user_namespace.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>

#include "shim/apply/attach.h"
#include "shim/fs/host_file.h"
#include "shim/sys/inherited.h"

namespace casemate::apply {
namespace {

constexpr std::size_t kMaxMap = 64 << 10;
constexpr int kPatienceMs = 5'000;

// A copy of this process in another user namespace, until the object goes. It waits on a socket
// whose other end only we have, so it ends with us. Who has power over the namespace may stop it,
// so nothing waits for it to end by itself.
class Resident {
 public:
  // A new namespace, or with `join` an existing one.
  static Result<Resident> start(sys::Kernel& kernel, int join = -1);
  Resident(Resident&& other) noexcept
      : pid_(std::exchange(other.pid_, -1)), socket_(std::move(other.socket_)) {}
  Resident& operator=(Resident&&) = delete;
  ~Resident() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    static_cast<void>(::waitpid(pid_, nullptr, 0));
  }

  pid_t pid() const { return pid_; }
  std::string proc(const char* file) const { return "/proc/" + std::to_string(pid_) + "/" + file; }

 private:
  Resident(pid_t pid, UniqueFd socket) : pid_(pid), socket_(std::move(socket)) {}
  pid_t pid_;
  UniqueFd socket_;
};

// Whoever has power over the namespace would have it over us (CVE-2016-9962): not dumpable before
// we enter, which is looked at, and without anything that the runtime holds.
[[noreturn]] void stay(sys::Kernel& kernel, int socket, int join) {
  std::vector<int> keep = {socket};
  if (join >= 0) keep.push_back(join);
  const bool hidden = sys::close_all_but(kernel, std::move(keep)).has_value() &&
                      kernel.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0).has_value() &&
                      ::prctl(PR_GET_DUMPABLE) == 0;
  const bool inside = hidden && (join < 0 || kernel.setns(join, CLONE_NEWUSER).has_value()) &&
                      kernel.prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0).has_value();
  const auto told = inside ? kernel.write(socket, "i") : Result<std::size_t>(0);
  if (told && *told == 1) static_cast<void>(kernel.read(socket, 1));
  ::_exit(0);
}

Result<Resident> Resident::start(sys::Kernel& kernel, int join) {
  auto [ours, theirs] = TRY(kernel.socketpair(SOCK_SEQPACKET));
  const std::uint64_t flags = join < 0 ? CLONE_NEWUSER : 0;
  const sys::Child child = TRY(kernel.clone3({.flags = flags}));
  if (child.pid == 0) {
    ours.reset();
    stay(kernel, theirs.get(), join);
  }
  theirs.reset();
  Resident resident(child.pid, std::move(ours));
  pollfd told{.fd = resident.socket_.get(), .events = POLLIN, .revents = 0};
  const bool in_time = ::poll(&told, 1, kPatienceMs) == 1;
  if (in_time && TRY(kernel.read(resident.socket_.get(), 1)) == "i") return resident;
  return internal("user-namespace.enter", "the user namespace cannot be entered",
                  "is it still there, and is it not the host's?");
}

std::string map_text(const std::vector<oci::IdMapping>& maps) {
  std::string text;
  for (const oci::IdMapping& map : maps)
    text += std::to_string(map.container_id) + " " + std::to_string(map.host_id) + " " +
            std::to_string(map.size) + "\n";
  return text;
}

Status write_map(sys::Kernel& kernel, const std::string& path,
                 const std::vector<oci::IdMapping>& maps) {
  Status written = fs::write_kernel_file(kernel, path, map_text(maps));
  if (written || !is_errno(written.error(), EINVAL)) return written;
  return bad_input("oci.id-mapping", "the kernel does not take these id mappings",
                   "no id may be in two ranges, neither of the container nor of the host");
}

Result<UniqueFd> open_user_namespace(sys::Kernel& kernel, const Resident& resident) {
  const open_how how{.flags = O_RDONLY | O_CLOEXEC, .mode = 0, .resolve = 0};
  return kernel.openat2(AT_FDCWD, resident.proc("ns/user"), how);
}

Result<plan::IdMaps> read_id_maps(sys::Kernel& kernel, const Resident& resident) {
  plan::IdMaps maps;
  maps.uids = TRY(parse_id_map(TRY(fs::read_file(kernel, resident.proc("uid_map"), kMaxMap))));
  maps.gids = TRY(parse_id_map(TRY(fs::read_file(kernel, resident.proc("gid_map"), kMaxMap))));
  if (!maps.uids.empty() && !maps.gids.empty()) return maps;
  return bad_input("oci.id-mapping", "the user namespace has no id mappings",
                   "join one that is in use");
}

}  // namespace

Status write_id_maps(sys::Kernel& kernel, pid_t pid, const std::vector<oci::IdMapping>& uids,
                     const std::vector<oci::IdMapping>& gids) {
  const std::string proc = "/proc/" + std::to_string(pid);
  TRY(write_map(kernel, proc + "/uid_map", uids));
  return write_map(kernel, proc + "/gid_map", gids);
}

Result<UniqueFd> new_user_namespace(sys::Kernel& kernel, const plan::MountIdmap& map) {
  const Resident resident = TRY(Resident::start(kernel));
  TRY(write_id_maps(kernel, resident.pid(), map.uids, map.gids));
  const plan::IdMaps found = TRY(read_id_maps(kernel, resident));
  if (!same_id_map(map.uids, found.uids) || !same_id_map(map.gids, found.gids))
    return internal("readback.id-maps", "a user namespace has other mappings than were written");
  return open_user_namespace(kernel, resident);
}

Result<plan::IdMaps> id_maps_of(sys::Kernel& kernel, int user_namespace) {
  const Resident resident = TRY(Resident::start(kernel, user_namespace));
  const UniqueFd entered = TRY(open_user_namespace(kernel, resident));
  if (TRY(stat_of(kernel, entered.get())).st_ino != TRY(stat_of(kernel, user_namespace)).st_ino)
    return internal("readback.namespaces", "another user namespace was entered than was asked");
  return read_id_maps(kernel, resident);
}

bool same_id_map(std::vector<oci::IdMapping> one, std::vector<oci::IdMapping> other) {
  const auto equal = [](const oci::IdMapping& a, const oci::IdMapping& b) {
    return a.container_id == b.container_id && a.host_id == b.host_id && a.size == b.size;
  };
  std::ranges::sort(one, {}, &oci::IdMapping::container_id);
  std::ranges::sort(other, {}, &oci::IdMapping::container_id);
  return std::ranges::equal(one, other, equal);
}

Result<std::vector<oci::IdMapping>> parse_id_map(std::string_view text) {
  std::vector<oci::IdMapping> maps;
  while (!text.empty()) {
    const std::string line(text.substr(0, text.find('\n')));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    oci::IdMapping map;
    char rest = 0;
    const int fields = std::sscanf(line.c_str(), " %u %u %u %c", &map.container_id, &map.host_id,
                                   &map.size, &rest);
    if (fields != 3) return internal("proc.id-map", "malformed line: " + line);
    maps.push_back(map);
  }
  return maps;
}

}  // namespace casemate::apply
