// Lists of processors and memory nodes as the kernel writes them: "0-3,7" (cpuset(7), "List
// format"). Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "shim/base/result.h"

namespace casemate::oci {

// One above the highest number that any kernel is built for (CONFIG_NR_CPUS, MAX_NUMNODES).
inline constexpr std::uint32_t kMaxCpus = 8192;
inline constexpr std::uint32_t kMaxNodes = 1024;

// Sorted, each number once; an empty text is an empty list. bad_input "oci.number-list" for
// anything else than a list of numbers below `end`.
Result<std::vector<std::uint32_t>> parse_number_list(std::string_view text, std::uint32_t end,
                                                     const std::string& pointer);

// The shortest text of a sorted list.
std::string number_list(const std::vector<std::uint32_t>& numbers);

}  // namespace casemate::oci
