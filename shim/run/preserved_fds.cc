#include "shim/run/preserved_fds.h"

#include <fcntl.h>

namespace casemate::run {

std::vector<int> preserved_fds(int count) {
  std::vector<int> fds;
  for (int fd = 3; fd < 3 + count; ++fd) fds.push_back(fd);
  return fds;
}

Status check_preserved_open(int count) {
  for (const int fd : preserved_fds(count))
    if (::fcntl(fd, F_GETFD) < 0)
      return bad_input(
          "process.preserve-fds",
          "descriptor " + std::to_string(fd) + " of --preserve-fds or LISTEN_FDS is not open",
          "pass as many descriptors as they say");
  return {};
}

Status check_preserved_allowed(int count, const policy::Profile& profile) {
  if (count == 0 || profile.image.level == policy::ImageLevel::none) return {};
  return denied("process.preserve-fds",
                "profile " + profile.name + " passes no descriptors to a job",
                "call the runtime without --preserve-fds and without LISTEN_FDS");
}

}  // namespace casemate::run
