// Ownership of jansson values.
#pragma once

#include <jansson.h>

#include <memory>

namespace casemate::dataset {

struct JsonRelease {
  void operator()(json_t* value) const { json_decref(value); }
};
using JsonPtr = std::unique_ptr<json_t, JsonRelease>;

}  // namespace casemate::dataset
