// Which devices a control group may use: the devices controller of v1, and for v2 a program of type
// BPF_PROG_TYPE_CGROUP_DEVICE. Among the rules of a list, later ones win.
#pragma once

#include <linux/bpf.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "shim/base/json.h"
#include "shim/base/result.h"
#include "shim/oci/spec.h"
#include "shim/sys/kernel.h"

namespace casemate::cgroup {

struct DeviceAccess {
  bool allow = false;
  char type = 'c';                     // b or c
  std::optional<std::uint32_t> major;  // none: all
  std::optional<std::uint32_t> minor;
  unsigned access = 0;  // BPF_DEVCG_ACC_MKNOD | _READ | _WRITE

  bool operator==(const DeviceAccess&) const = default;
};

// Rules in force: what none of them names is decided by `default_allow`.
struct DevicePolicy {
  bool default_allow = false;
  std::vector<DeviceAccess> rules;  // later ones win
};

// Resolves wildcards (a rule for all devices begins anew; without one everything is denied by
// default) and drops what later rules override and what changes nothing. bad_input
// "cgroup.devices".
Result<DevicePolicy> normalise(const std::vector<oci::DeviceRule>& rules);

// What the kernel's devices.list and devices.allow use: "c 1:3 rwm".
std::string to_string(const DeviceAccess& rule);

// Decides each asked kind of access (mknod, read, write) by the last rule that names it.
std::vector<bpf_insn> device_program(const DevicePolicy& policy);

// `leaf` is the descriptor of a cgroup directory. v1 knows exceptions from one default only:
// unsupported "cgroup.devices-overlap" for a list such as "allow c *:* rw, deny c 1:3 rw" after
// "deny all". An update never opens more than the old or the new list for a moment.
Status limit_devices_v1(sys::Kernel& kernel, int leaf, const std::vector<oci::DeviceRule>& rules);
Result<Json> observe_devices_v1(sys::Kernel& kernel, int leaf,
                                const std::vector<oci::DeviceRule>& rules);
// What else is attached to the group: `ours` has none but ours, `shared` also those of systemd,
// which attaches and replaces its own whenever it likes. The kernel allows what all of them allow.
enum class Attached { ours, shared };
// Attaches the new program (BPF_F_ALLOW_MULTI), then detaches those of ours attached before (of a
// shared group: none).
Status limit_devices_v2(sys::Kernel& kernel, int leaf, const std::vector<oci::DeviceRule>& rules,
                        Attached others = Attached::ours);
// Compares the kernel's tag (a hash of the instructions) of what is attached.
Result<Json> observe_devices_v2(sys::Kernel& kernel, int leaf,
                                const std::vector<oci::DeviceRule>& rules,
                                Attached others = Attached::ours);

}  // namespace casemate::cgroup
