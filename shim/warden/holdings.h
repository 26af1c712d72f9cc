// All that stands between a container and its end: what the warden and, in copies, the twin hold.
#pragma once

#include <string>
#include <vector>

#include "shim/warden/container_dir.h"
#include "shim/warden/protocol.h"

namespace casemate::warden {

class Holdings;
// Reads holds.json back, without the mounts; init only if it still lives. bad_input when it makes
// no sense.
Result<Holdings> load_holdings(sys::Kernel& kernel, int container_dir, std::string_view id);

struct HeldMount {
  std::string what;  // "dataset:<id>" or "upper"
  UniqueFd mount;    // a directory of the mount, writable
};

class Holdings {
 public:
  explicit Holdings(sys::Kernel& kernel) : kernel_(&kernel) {}

  // Takes over what an open, hold or facts message brings. bad_input "warden.message" when it comes
  // out of order, twice, or with other descriptors than it needs. The start socket of a "hold init"
  // may be absent (the twin has none).
  Status take(Message message, std::vector<UniqueFd> fds);
  // Writes holds.json for reconcile().
  Status save();

  bool opened() const { return dir_.fd() >= 0; }
  ContainerDir& dir() { return dir_; }
  void merge_facts(const Json& merge) { facts.merge_patch(merge); }
  bool init_alive() const;

  Json facts = Json::object();
  EvidencePaths evidence;
  std::vector<HeldMount> mounts;
  std::vector<std::string> lost_mounts;  // of load_holdings(): were held and cannot be wiped
  std::vector<Json> cgroups;             // of Cgroup::to_json()
  std::vector<std::string> intended_cgroups;
  pid_t init_pid = 0;
  UniqueFd init;
  UniqueFd start_socket;

 private:
  friend Result<Holdings> load_holdings(sys::Kernel& kernel, int container_dir,
                                        std::string_view id);
  Status take_open(Open open, std::vector<UniqueFd> fds);
  Status take_hold(const Hold& hold, std::vector<UniqueFd> fds);
  Status take_init(const Hold& hold, std::vector<UniqueFd> fds);

  sys::Kernel* kernel_;
  std::uint64_t init_start_time_ = 0;  // 0: not looked up
  ContainerDir dir_ = ContainerDir::adopt(*kernel_, UniqueFd(), {});
};

// Whether the process of a pidfd has not ended; false for an empty one.
bool pidfd_alive(int pidfd);

}  // namespace casemate::warden
