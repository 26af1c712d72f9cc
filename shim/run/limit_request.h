// What an update asks for, as data: read from options or from JSON, checked, and joined with the
// limits that are in force. Pure.
#pragma once

#include <string>
#include <string_view>

#include "shim/base/json.h"
#include "shim/base/result.h"
#include "shim/oci/spec.h"

namespace casemate::run {

// Sets what the option (such as "--memory") says. Amounts of memory may have a unit ("64m",
// "1.5GiB", all of them powers of 1024), -1 is no limit. bad_input "update.value"; unsupported
// "update.rdt" for --l3-cache-schema and --mem-bw-schema.
Status set_limit(oci::Resources& out, std::string_view option, const std::string& value);

// "10", "64k", "1.5 GiB": bytes. Nothing when malformed or beyond 63 bits.
std::optional<std::int64_t> parse_bytes(std::string_view text);

// bad_input "update.value" for negative limits other than -1.
Status check_request(const oci::Resources& asked);

// `base` with what is asked for in its place; engines send zero for "as it is". Memory without a
// limit has no limit on its sum with swap either, unless one is asked for.
oci::Resources merge_limits(oci::Resources base, const oci::Resources& asked);

// Of `wanted`, what must be written: what was asked for, what differs from `base`, and with it the
// values that the kernel or our conversion takes in pairs.
oci::Resources limits_to_write(const oci::Resources& base, const oci::Resources& asked,
                               const oci::Resources& wanted);

// unsupported "update.fixed" when something that an update cannot change is asked for in another
// way than the stored plan ("resources" of its cgroup step) has it; denied "update.devices" for
// device rules. Callers that send the whole of config.json's resources again pass. `bounded`: what
// the policy left of all that is asked for.
Status check_fixed(const Json& stored, const oci::Resources& bounded);

}  // namespace casemate::run
