// Where a signed job request comes from: the runtime's own argument, an annotation, or a read-only
// bind mount (engines without annotations). Being signed, it does not matter who carries it.
#pragma once

#include <optional>
#include <string>

#include "shim/oci/spec.h"
#include "shim/run/runtime.h"

namespace casemate::run {

inline constexpr std::string_view kJobAnnotation = "dev.casemate.job";
inline constexpr std::string_view kJobMount = "/run/casemate/job.json";

// The request's text, or nothing. bad_input "job.source" when two of the three are given. The bind
// mount that carried it is taken out of `spec`: it has served its purpose.
Result<std::optional<std::string>> find_job(Runtime& runtime, oci::Spec& spec);

}  // namespace casemate::run
