// What casemate-systemd is asked (shim/systemd/manager.h draws it).
#pragma once

#include "shim/sys/helper.h"

namespace casemate::sdbus {

// {"op": "start", "unit", "description", "properties"}: hands {"controlGroup"} over and stays until
// the runtime has gone on. {"op": "set", "unit", "description", "properties"}, {"op": "stop",
// "unit", "description"}: of the unit that has this description, and of no other one of the same
// name.
Result<sys::HelperMessage> answer(const sys::HelperMessage& request,
                                  const sys::HandOver& hand_over);

}  // namespace casemate::sdbus
