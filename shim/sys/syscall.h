// What the RealKernel files share: repeat after a signal, and turn -1 into an Error.
#pragma once

#include <cerrno>
#include <string>
#include <string_view>

#include "shim/base/result.h"
#include "shim/base/unique_fd.h"

namespace casemate::sys {

// `call` returns -1 and sets errno; it is repeated while that is EINTR.
template <class Call>
auto uninterrupted(Call call) {
  auto result = call();
  while (result == -1 && errno == EINTR) result = call();
  return result;
}

// `openat2 "etc/passwd"`: what an error says was tried.
inline std::string tried(std::string_view call, std::string_view subject) {
  return std::string(call) + " \"" + std::string(subject) + "\"";
}

// errno must still be that of the call. The text is only made when it is needed.
template <class... Subject>
Status checked(long result, std::string_view call, const Subject&... subject) {
  if (result != -1) return {};
  const int saved = errno;
  if constexpr (sizeof...(subject) == 0)
    return sys_error(std::string(call), saved);
  else
    return sys_error(tried(call, subject...), saved);
}

template <class... Subject>
Result<UniqueFd> checked_fd(long result, std::string_view call, const Subject&... subject) {
  if (result != -1) return UniqueFd(static_cast<int>(result));
  return std::unexpected(checked(result, call, subject...).error());
}

}  // namespace casemate::sys
