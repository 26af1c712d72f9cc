// Namespaces that a container shares because its configuration names them by path. Each path is
// opened once, here: what it leads to is looked at, and that descriptor is joined and read back.
#pragma once

#include <map>
#include <vector>

#include "shim/base/result.h"
#include "shim/base/unique_fd.h"
#include "shim/oci/spec.h"
#include "shim/sys/kernel.h"

namespace casemate::run {

struct JoinedNamespace {
  oci::NamespaceType type;
  UniqueFd fd;
};

// A path that does not exist is left out: what the policy says of it comes first, see
// require_all(). bad_input "namespaces.type" when something else is there than a namespace of that
// type; denied "namespaces.host-path" when it is the runtime's own.
Result<std::vector<JoinedNamespace>> open_namespaces(sys::Kernel& kernel, const oci::Linux& asked);

// bad_input "namespaces.path" when one of those that are asked for did not exist.
Status require_all(const oci::Linux& asked, const std::vector<JoinedNamespace>& joined);

// The mappings of a user namespace that is joined are those it has: they are added to `linux`.
// bad_input "oci.id-mapping" when the configuration says other ones.
Status adopt_id_mappings(sys::Kernel& kernel, const std::vector<JoinedNamespace>& joined,
                         oci::Linux& section);

// By type, for the read-back.
Result<std::map<oci::NamespaceType, std::uint64_t>> inodes_of(
    sys::Kernel& kernel, const std::vector<JoinedNamespace>& joined);

}  // namespace casemate::run
