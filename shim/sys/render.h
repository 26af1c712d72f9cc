// How a trace writes arguments: stable from run to run, so neither descriptors nor pids.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shim/sys/kernel.h"

namespace casemate::sys {

using FlagName = std::pair<std::uint64_t, std::string_view>;
// "PATH|DIRECTORY|0x40000000": names in the table's order, then what has none, "0" for nothing.
std::string render_flags(std::uint64_t value, std::span<const FlagName> names);

std::string render_open(const std::string& path, const open_how& how);
std::string render_mount_attributes(std::uint64_t attributes);
std::string render_mount_attr(unsigned flags, const mount_attr& attributes);
std::string render_clone(std::uint64_t flags);
std::string render_mode(unsigned mode);   // octal
std::string render_device(dev_t device);  // "1:3"
std::string render_open_tree(unsigned flags);
std::string render_numbers(const std::vector<std::uint32_t>& numbers);
std::string render_scheduling(const Scheduling& wanted);
std::string render_limit(int resource, const rlimit& limit);  // "7 1024 4096"
std::string render_capabilities(const CapabilitySets& sets);
// The text itself when it is short, quoted and printable; else its size.
std::string render_bytes(std::string_view bytes);
std::string render_list(const std::vector<std::string>& texts);

}  // namespace casemate::sys
