// Numbers in texts.
#pragma once

#include <charconv>
#include <optional>
#include <string_view>

namespace casemate {

// The text is the number, from its first byte to its last; nothing otherwise, and nothing that does
// not fit T. "-" only where T has a sign; "+" never.
template <class T>
std::optional<T> whole_number(std::string_view text) {
  T value{};
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, value);
  return error == std::errc() && end == last ? std::optional(value) : std::nullopt;
}

}  // namespace casemate
