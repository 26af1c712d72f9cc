// What systemd is told of a scope, so that it writes the same limits whenever it writes any: on
// `systemctl daemon-reload`, on `systemctl set-property`. What it has no property for stays in the
// files. Pure.
#pragma once

#include <string>
#include <vector>

#include "shim/base/json.h"
#include "shim/base/result.h"
#include "shim/oci/spec.h"

namespace casemate::systemd {

// A property of org.freedesktop.systemd1.Scope (org.freedesktop.systemd1(5)).
struct Property {
  std::string name;
  std::string type;  // D-Bus signature: "s", "b", "t", "au", "ay" or "a(ss)"
  Json value;

  bool operator==(const Property&) const = default;
};
using Properties = std::vector<Property>;

// [[name, type, value], …]
Json to_json(const Properties& properties);

// All but the limits: whose slice, that its groups below are the container's own (Delegate), that
// it goes when it is over, failed or not, and whom it starts with: the caller of systemd.
Properties scope_properties(const std::string& slice);

// The limits of `asked` in systemd's terms, taken from what cgroup::Cgroup writes to the files.
// Rounded where systemd rounds (CPU quota: up to 1 %). Errors are those of the files' values;
// bad_input "cgroup.systemd-unified" when a value of `unified` cannot be read.
Result<Properties> limit_properties(const oci::Resources& asked);

// The list of what may be used, never narrower than the rules: systemd knows neither exceptions nor
// a minor number alone, and our own program on the group decides those. A default of "allow" is
// none.
Result<Properties> device_properties(const std::vector<oci::DeviceRule>& rules);

// `before` for each property of `changed`, and "not set" for those that it has not.
Properties reverted(const Properties& changed, const Properties& before);

}  // namespace casemate::systemd
