#include "shim/sys/random.h"

#include <sys/random.h>

#include <vector>

#include "shim/base/encoding.h"

namespace casemate::sys {

Result<std::string> random_hex(std::size_t bytes) {
  std::vector<unsigned char> random(bytes);
  if (::getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(random.size()))
    return sys_error("getrandom");
  return to_hex(random);
}

}  // namespace casemate::sys
