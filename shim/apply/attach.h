// Small pieces that several step files of init need.
#pragma once

#include <sys/stat.h>

#include "shim/apply/init_context.h"

namespace casemate::apply {

// Attaches a detached mount at `target` (O_PATH) and notes its mount id for the read-back.
Status attach(InitContext& context, int mount, int target, std::size_t step);

// A new instance of the step's file system, detached; still writable where it is to be filled.
Result<UniqueFd> new_filesystem(sys::Kernel& kernel, const plan::AttachMount& step);

Result<struct stat> stat_of(sys::Kernel& kernel, int fd);

// True for the error of a system call that failed with `number`.
bool is_errno(const Error& error, int number);

}  // namespace casemate::apply
