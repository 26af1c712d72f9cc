// What casemate-systemd is asked (shim/systemd/manager.h draws it).
#pragma once

#include "shim/sys/helper.h"

namespace casemate::sdbus {

// {"op": "start", "unit", "properties"}: hands {"controlGroup", "invocation"} over and stays until
// the runtime has gone on. {"op": "set", "unit", "invocation", "properties"}, {"op": "stop",
// "unit", "invocation"}: of that start of the unit, and of no later one of the same name.
Result<sys::HelperMessage> answer(const sys::HelperMessage& request,
                                  const sys::HandOver& hand_over);

}  // namespace casemate::sdbus
