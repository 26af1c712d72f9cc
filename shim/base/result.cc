#include "shim/base/result.h"

#include <cstdio>
#include <cstring>

#include "shim/base/json.h"

namespace casemate {

std::string_view to_string(ErrorClass cls) {
  switch (cls) {
    case ErrorClass::denied:
      return "denied";
    case ErrorClass::bad_input:
      return "bad input";
    case ErrorClass::internal:
      return "internal";
    case ErrorClass::unsupported:
      return "not supported";
  }
  return "internal";
}

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const unsigned char c : text) {
    if (c == '\n') {
      out += "\\n";
    } else if (c < 0x20 || c >= 0x7f) {
      char escaped[5];
      std::snprintf(escaped, sizeof escaped, "\\x%02x", c);
      out += escaped;
    } else {
      out += static_cast<char>(c);
    }
  }
  return out;
}

std::string Error::message() const {
  std::string line(to_string(cls));
  if (!rule.empty()) line += " [" + printable(rule) + "]";
  line += ": " + printable(what);
  if (!pointer.empty()) line += " (at " + printable(pointer) + ")";
  if (sys_errno != 0) line += std::string(": ") + strerrordesc_np(sys_errno);
  if (!hint.empty()) line += "; " + printable(hint);
  return line;
}

std::string Error::json(std::string_view time_rfc3339) const {
  const Json line = {{"level", "error"},
                     {"msg", message()},
                     {"time", std::string(time_rfc3339)},
                     {"class", std::string(to_string(cls))},
                     {"rule", printable(rule)},
                     {"pointer", printable(pointer)},
                     {"errno", sys_errno},
                     {"hint", printable(hint)}};
  return dump(line);
}

Error Error::with_context(std::string_view step) && {
  what = std::string(step) + ": " + what;
  return std::move(*this);
}

namespace {
std::unexpected<Error> make(ErrorClass cls, std::string rule, std::string what, std::string hint,
                            std::string pointer) {
  return std::unexpected(Error{.cls = cls,
                               .rule = std::move(rule),
                               .what = std::move(what),
                               .hint = std::move(hint),
                               .pointer = std::move(pointer)});
}
}  // namespace

std::unexpected<Error> denied(std::string rule, std::string what, std::string hint,
                              std::string pointer) {
  return make(ErrorClass::denied, std::move(rule), std::move(what), std::move(hint),
              std::move(pointer));
}
std::unexpected<Error> bad_input(std::string rule, std::string what, std::string hint,
                                 std::string pointer) {
  return make(ErrorClass::bad_input, std::move(rule), std::move(what), std::move(hint),
              std::move(pointer));
}
std::unexpected<Error> unsupported(std::string rule, std::string what, std::string hint,
                                   std::string pointer) {
  return make(ErrorClass::unsupported, std::move(rule), std::move(what), std::move(hint),
              std::move(pointer));
}
std::unexpected<Error> internal(std::string rule, std::string what, std::string hint) {
  return make(ErrorClass::internal, std::move(rule), std::move(what), std::move(hint), {});
}
std::unexpected<Error> sys_error(std::string what, int saved_errno) {
  return std::unexpected(Error{.cls = ErrorClass::internal,
                               .rule = "system.call",
                               .what = std::move(what),
                               .sys_errno = saved_errno});
}

}  // namespace casemate
