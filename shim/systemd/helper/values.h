// JSON values as D-Bus values.
#pragma once

#include <systemd/sd-bus.h>

#include "shim/base/json.h"
#include "shim/base/result.h"

namespace casemate::sdbus {

// sd-bus' way to fail, a negative errno, as ours.
Status check(int result, const char* tried);

// Appends [[name, type, value], …] as a(sv); bad_input "systemd.property" for what is no such list.
Status append_properties(sd_bus_message* message, const Json& properties);

}  // namespace casemate::sdbus
