// What is in a folder, by its descriptor.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "shim/base/result.h"
#include "shim/sys/kernel.h"

namespace casemate::fs {

struct Entry {
  std::string name;
  bool directory = false;  // as readdir(3) tells: false where the file system does not say
};

// At most `most` entries but "." and "..", in no order. `directory` may be O_PATH: it is opened
// anew, for the position of a shared descriptor would move.
Result<std::vector<Entry>> entries_in(sys::Kernel& kernel, int directory,
                                      std::size_t most = SIZE_MAX);
// Their names alone.
Result<std::vector<std::string>> names_in(sys::Kernel& kernel, int directory, std::size_t most);

}  // namespace casemate::fs
