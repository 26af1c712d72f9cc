// The part of check() that is about what one mount is like; not for callers.
#pragma once

#include <string>

#include "shim/plan/check.h"

namespace casemate::plan::detail {

// internal "readback.<step>".
std::unexpected<Error> differs(std::string_view step, const std::string& planned,
                               const std::string& found);

// Whether the step says that it attached the mount of that id.
bool attached_by(const Observed& observed, std::size_t step, std::uint64_t id);

// Attributes and access times of the mount, that it is idmapped, that the step attached, and what
// goes for the mounts that came with it (rbind).
Status check_options(const AttachMount& step, const ObservedMount& top, const Observed& observed);
// Of the root and of every mount: whether mounts spread from it, or to it.
Status check_propagation(const Plan& plan, const Observed& observed);

}  // namespace casemate::plan::detail
