// Landlock by its system calls: Debian 12's libc has no wrappers, and its headers end at ABI 2.
#include <linux/landlock.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hooks/confine/confine.h"
#include "shim/base/unique_fd.h"

namespace casemate::confine {
namespace {

// struct landlock_ruleset_attr of ABI 6; older kernels are given its first members only.
struct RulesetAttributes {
  std::uint64_t fs = 0, net = 0, scoped = 0;
};

constexpr std::uint64_t kReadRights = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;

struct Wanted {
  RulesetAttributes attributes;
  std::size_t size;
};

Wanted wanted_for(long abi) {
  Wanted wanted{.attributes = {.fs = (1ULL << 13) - 1}, .size = sizeof(std::uint64_t)};
  if (abi >= 2) wanted.attributes.fs |= 1ULL << 13;  // REFER
  if (abi >= 3) wanted.attributes.fs |= 1ULL << 14;  // TRUNCATE
  if (abi >= 5) wanted.attributes.fs |= 1ULL << 15;  // IOCTL_DEV
  if (abi >= 4) {
    wanted.attributes.net = 3;  // bind and connect TCP
    wanted.size = 2 * sizeof(std::uint64_t);
  }
  if (abi >= 6) {
    wanted.attributes.scoped = 3;  // abstract unix sockets, signals
    wanted.size = 3 * sizeof(std::uint64_t);
  }
  return wanted;
}

std::unexpected<Error> failed(const char* call) {
  const int error = errno;
  auto result = internal("confine.landlock", std::string("cannot confine file access: ") + call);
  result.error().sys_errno = error;
  return result;
}

}  // namespace

Result<bool> confine_reads(std::span<const int> directories) {
  const long abi =
      syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (abi < 1) return false;
  const Wanted wanted = wanted_for(abi);
  const UniqueFd ruleset(
      static_cast<int>(syscall(SYS_landlock_create_ruleset, &wanted.attributes, wanted.size, 0)));
  if (!ruleset) return failed("landlock_create_ruleset");
  for (const int directory : directories) {
    const landlock_path_beneath_attr rule{.allowed_access = kReadRights, .parent_fd = directory};
    if (syscall(SYS_landlock_add_rule, ruleset.get(), LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0)
      return failed("landlock_add_rule");
  }
  if (syscall(SYS_landlock_restrict_self, ruleset.get(), 0) != 0)
    return failed("landlock_restrict_self");
  return true;
}

}  // namespace casemate::confine
