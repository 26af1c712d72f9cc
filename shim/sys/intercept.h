// What the InterceptingKernel files share: ask for the verdict, then forward, fail or pretend.
#pragma once

#include <fcntl.h>

#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "shim/sys/intercepting_kernel.h"

namespace casemate::sys {

// What a call that was not made answers: success, and where a value is due an empty one. A
// descriptor is an O_PATH of /dev/null: it can be held and closed, and nothing can be done with it.
template <class T>
Result<T> pretended() {
  if constexpr (std::is_void_v<T>) {
    return {};
  } else if constexpr (std::is_same_v<T, UniqueFd>) {
    return UniqueFd(::open("/dev/null", O_PATH | O_CLOEXEC));
  } else if constexpr (std::is_same_v<T, std::pair<UniqueFd, UniqueFd>>) {
    return std::pair(std::move(*pretended<UniqueFd>()), std::move(*pretended<UniqueFd>()));
  } else {
    return T{};
  }
}

template <class T, class Forward>
Result<T> intercept(InterceptingKernel& kernel, std::string_view call, const std::string& arguments,
                    Forward forward, Result<T> (*pretend)() = pretended<T>) {
  const auto verdict = kernel.decide(call, arguments);
  if (verdict.kind == InterceptingKernel::Verdict::fail) {
    const std::string subject = arguments.empty() ? "" : " " + arguments;
    return sys_error(std::string(call) + subject + " (injected)", verdict.error);
  }
  if (verdict.kind == InterceptingKernel::Verdict::pretend) return pretend();
  return forward();
}

}  // namespace casemate::sys
