// What a test compares of a Result: nothing of it is undefined when the call succeeded after all.
#pragma once

#include <string>

#include "shim/base/result.h"

namespace casemate {

// The rule of the refusal; "(success)" when there was none.
template <class T>
std::string rule_of(const Result<T>& result) {
  return result ? "(success)" : result.error().rule;
}
// The errno of the failure; 0 for success.
template <class T>
int errno_of(const Result<T>& result) {
  return result ? 0 : result.error().sys_errno;
}

}  // namespace casemate
