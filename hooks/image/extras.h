// The judgement on what engines add to a rootfs (see Extras in compare.h).
#pragma once

#include <sys/stat.h>

#include <string>

#include "hooks/image/compare.h"

namespace casemate::image {

// What is wrong with an extra at `path`, as the end of a sentence; empty when it is harmless.
// `target`: of a symbolic link.
std::string harm_of_extra(const std::string& path, const struct stat& facts,
                          const std::string& target);

}  // namespace casemate::image
