// What the policy says about a request, as data.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shim/base/json.h"
#include "shim/base/result.h"
#include "shim/oci/spec.h"

namespace casemate::policy {

enum class Outcome { keep, tighten, deny };
std::string_view to_string(Outcome outcome);

struct Finding {
  std::string rule;     // stable dotted id, "capabilities.ceiling"
  std::string pointer;  // JSON pointer into config.json
  std::string asked;
  std::string bound;  // what the profile allows
  Outcome outcome = Outcome::keep;
  std::string hint;  // what the reader can do
};

struct Decision {
  std::string profile;            // name
  std::vector<Finding> findings;  // every deny and tighten; keep where it is worth knowing
  bool denied = false;
  bool tainted = false;                 // complain mode let something pass that the rules deny
  std::vector<std::string> unsafe;      // unsafe_* fields of the profile
  oci::Spec spec;                       // bounded: what may run. Meaningless when denied
  bool notify = false;                  // the container gets a socket for sd_notify(3)
  std::optional<oci::Seccomp> seccomp;  // the profile's own filter, besides spec.linux.seccomp
};

// The first deny as an error (class denied; the number of further ones is in the hint), for the one
// line that a refused caller sees. Precondition: denied.
Error refusal(const Decision& decision);

// Without the bounded spec: findings, denied, tainted, unsafe.
Json to_json(const Decision& decision);

}  // namespace casemate::policy
