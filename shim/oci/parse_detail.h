// Shared by the files that parse config.json; not for callers.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "shim/base/json.h"
#include "shim/oci/spec.h"

namespace casemate::oci::detail {

// A user or group id: 0 … 2^31-1 (CVE-2024-40635: larger ones wrapped to root). Rule
// "oci.uid-range".
Result<std::uint32_t> check_id(std::int64_t value, const std::string& pointer);
Result<std::uint32_t> get_id(JsonObject& object, std::string_view key);

// An unsigned number that must fit 32 bits; rule "oci.number-range".
Result<std::optional<std::uint32_t>> find_u32(JsonObject& object, std::string_view key);

// A number that may be written as null or left out, 0 then; rule "json.type" when it is none.
Result<std::optional<std::uint64_t>> find_u64(JsonObject& object, std::string_view key);

// unsupported "oci.<key>" when the key is there and not empty.
Status refuse_property(JsonObject& object, std::string_view key, std::string_view hint);

// bad_input `rule` when the text holds a byte below 0x20 or 0x7f.
Status check_printable(std::string_view text, std::string_view rule, const std::string& pointer);

// A list of LinuxIDMapping; bad_input "oci.id-mapping".
Result<std::vector<IdMapping>> parse_mappings(JsonObject& section, std::string_view key);

bool has_dotdot(std::string_view path);
// Absolute and without ".."; the normalised form, else bad_input `rule`.
Result<std::string> check_path(std::string_view path, std::string_view rule,
                               const std::string& pointer);
Status check_env(const std::vector<std::string>& env, const std::string& pointer);

// process.scheduler, ioPriority and execCPUAffinity; linux.personality and memoryPolicy.
Status parse_scheduling(JsonObject& process, Process& out);
Result<std::string> parse_personality(JsonObject& section);
Result<std::optional<MemoryPolicy>> parse_memory_policy(JsonObject& section);

Result<Process> parse_process_object(JsonObject object);
Result<Linux> parse_linux(JsonObject object);
Result<Resources> parse_resources(JsonObject object);
Result<Seccomp> parse_seccomp(JsonObject object);

}  // namespace casemate::oci::detail
