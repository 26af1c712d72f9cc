// Limits as (file, value) pairs, for v1 and for v2. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "shim/base/result.h"
#include "shim/oci/spec.h"

namespace casemate::cgroup {

// How a value that was read back is compared with the one that was written.
enum class Compare {
  text,   // equal, or a line that has every word of it (tables by device)
  bytes,  // a number that the kernel rounds down to a multiple of `unit`; -1 is unlimited
  list,   // a set such as 0-3,8
};

struct Setting {
  std::string file;
  std::string value;
  Compare compare = Compare::text;
  std::uint64_t unit = 1;
  std::string readback = {};    // what the file shows then, when it is not the value
  std::string other_file = {};  // tried when `file` is absent: schedulers' own names
  bool if_present = false;      // an absent file is no error
  std::string pointer = {};     // into config.json
};
using Settings = std::vector<Setting>;

// One controller: its name in v1 and v2 (empty: it has none there) and what it makes of a request.
struct Controller {
  const char* v1;
  const char* v2;
  const char* pointer;
  Result<Settings> (*settings_v1)(const oci::Resources& asked);
  Result<Settings> (*settings_v2)(const oci::Resources& asked);
};

// All that oci::Resources can ask for, device rules and `unified` excepted, in the order in which
// they are to be written.
const std::vector<Controller>& controllers();

// The unified map, verbatim, by file name. bad_input "cgroup.unified" for names that are no
// controller's files (cgroup.procs and the like are ours).
Result<Settings> unified_settings(const oci::Resources& asked);

bool holds(const Setting& setting, std::string_view observed);

// "0-3,8" as a set; nothing when it is no such list.
std::optional<std::set<unsigned>> parse_list(std::string_view text);

// What to write to undo the setting, from the file's text before it; empty when nothing was there.
// Of a table by device: the line of the setting's first word.
std::string value_to_restore(const Setting& setting, std::string_view before);

// Shared by limits_v1.cc and limits_v2.cc.
Result<Settings> memory_v1(const oci::Resources& asked);
Result<Settings> memory_v2(const oci::Resources& asked);
Result<Settings> cpu_v1(const oci::Resources& asked);
Result<Settings> cpu_v2(const oci::Resources& asked);
Result<Settings> cpuset_both(const oci::Resources& asked);
Result<Settings> pids_both(const oci::Resources& asked);
Result<Settings> block_io_v1(const oci::Resources& asked);
Result<Settings> block_io_v2(const oci::Resources& asked);
Result<Settings> hugetlb_v1(const oci::Resources& asked);
Result<Settings> hugetlb_v2(const oci::Resources& asked);
Result<Settings> net_cls_v1(const oci::Resources& asked);
Result<Settings> net_prio_v1(const oci::Resources& asked);
Result<Settings> rdma_both(const oci::Resources& asked);

// "-1" (v1) or "max" (v2) for a negative limit.
std::string limit_v1(std::int64_t value);
std::string limit_v2(std::int64_t value);
// "2MB" -> bytes; bad_input "cgroup.limit".
Result<std::uint64_t> huge_page_size(const std::string& name);
// bad_input "cgroup.limit" when a text from outside could end the line it is written into.
Status one_line(std::string_view text, const std::string& pointer);

}  // namespace casemate::cgroup
