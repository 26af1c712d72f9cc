// User namespaces and their id mappings (user_namespaces(7)), from outside: the caller stays where
// it is. A process that is in such a namespace for a moment is ours and can be looked into by
// nobody of it.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "shim/base/result.h"
#include "shim/base/unique_fd.h"
#include "shim/plan/plan.h"
#include "shim/sys/kernel.h"

namespace casemate::apply {

// Writes uid_map and gid_map of the process, which is in a new user namespace.
Status write_id_maps(sys::Kernel& kernel, pid_t pid, const std::vector<oci::IdMapping>& uids,
                     const std::vector<oci::IdMapping>& gids);

// A new user namespace with these mappings and nobody in it: what mount_setattr(2) wants for
// MOUNT_ATTR_IDMAP. bad_input "oci.id-mapping" when the kernel refuses the mappings.
Result<UniqueFd> new_user_namespace(sys::Kernel& kernel, const plan::MountIdmap& map);

// The mappings of the namespace that the descriptor stands for; their host ids are those of the
// caller's own user namespace.
Result<plan::IdMaps> id_maps_of(sys::Kernel& kernel, int user_namespace);

// Pure: whether both say the same, in whatever order.
bool same_id_map(std::vector<oci::IdMapping> one, std::vector<oci::IdMapping> other);
// Pure: the lines of /proc/PID/uid_map.
Result<std::vector<oci::IdMapping>> parse_id_map(std::string_view text);

}  // namespace casemate::apply
