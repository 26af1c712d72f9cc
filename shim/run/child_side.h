// What a child between clone3(2) and execve(2) says and does, whether it becomes init or an exec'ed
// process. See init_process.h and exec_process.h for the protocols.
#pragma once

#include <string>

#include "shim/base/result.h"
#include "shim/plan/plan.h"
#include "shim/sys/kernel.h"

namespace casemate::run {

// One message: a letter and its text.
Status say(sys::Kernel& kernel, int socket, char kind, const std::string& text);
// Says 'E' with the error and ends the process.
[[noreturn]] void fail(sys::Kernel& kernel, int socket, const Error& error);
// internal "init.abandoned" when the other end is closed instead.
Status wait_for_go(sys::Kernel& kernel, int socket);

// Nothing without a user namespace in the plan.
Status become_root_in_user_namespace(sys::Kernel& kernel, const plan::Plan& plan);

}  // namespace casemate::run
