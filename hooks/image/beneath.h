// Reading below a directory descriptor: no symbolic link, no "..", no mount point is ever crossed
// on the way (openat2), and only regular files are opened.
#pragma once

#include <string>

#include "shim/base/result.h"
#include "shim/base/unique_fd.h"

namespace casemate::image {

struct OpenFile {
  UniqueFd fd;
  std::uint64_t size = 0;  // when it was opened
};

// O_RDONLY, never blocking on a FIFO. The error is that of openat2 (rule "system.call"); something
// that is not a regular file is bad_input "image.not-regular".
Result<OpenFile> open_beneath(int directory, const std::string& path);
// A directory, readable; "." is `directory` itself.
Result<UniqueFd> open_directory_beneath(int directory, const std::string& path);
// The whole file; more than `limit` bytes is bad_input "image.limit".
Result<std::string> read_beneath(int directory, const std::string& path, std::size_t limit);

}  // namespace casemate::image
