// What casemate-verify answers, without the process around it. Requests and replies are the JSON of
// docs/IMAGE-TRUST.md.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "hooks/image/compare.h"
#include "hooks/image/signature.h"
#include "shim/base/json.h"
#include "shim/base/result.h"

namespace casemate::image {

enum class Level { chain, content };

struct ImageQuestion {
  std::string digest;      // of the manifest
  std::string repository;  // empty: any
  Level level = Level::content;
  std::vector<NamedKey> signers;
  Extras extras;
};

// The reply's "ok" to {"op":"job"} and {"op":"image"}; `fds` are borrowed: the layouts' directories
// and, for level content, the rootfs last. bad_input "verify.request" for a malformed request.
Result<Json> answer(const Json& request, std::span<const int> fds);

Result<Json> verify_image(const ImageQuestion& question, std::span<const int> layouts, int rootfs);

}  // namespace casemate::image
