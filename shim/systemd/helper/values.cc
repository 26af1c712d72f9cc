#include "shim/systemd/helper/values.h"

#include <algorithm>

namespace casemate::sdbus {
namespace {

std::unexpected<Error> malformed(const Json& property) {
  return bad_input("systemd.property", "the property " + dump(property) + " has no such type",
                   "are the runtime and its helpers of the same version?");
}

// One element of an array of `type`, or a plain value.
Status append_value(sd_bus_message* message, char type, const Json& value);

Status append_pair(sd_bus_message* message, const Json& pair) {
  if (!pair.is_array() || pair.size() != 2) return malformed(pair);
  TRY(check(sd_bus_message_open_container(message, 'r', "ss"), "open a pair"));
  for (const Json& one : pair) TRY(append_value(message, 's', one));
  return check(sd_bus_message_close_container(message), "close a pair");
}

Status append_value(sd_bus_message* message, char type, const Json& value) {
  const char* const tried = "append a value";
  if (type == '(') return append_pair(message, value);
  if (type == 's' && value.is_string())
    return check(
        sd_bus_message_append_basic(message, 's', value.get_ref<const std::string&>().c_str()),
        tried);
  if (type == 'b' && value.is_boolean()) {
    const int flag = value.get<bool>() ? 1 : 0;
    return check(sd_bus_message_append_basic(message, 'b', &flag), tried);
  }
  if (!value.is_number_unsigned()) return malformed(value);
  const auto number = value.get<std::uint64_t>();
  if (type == 't') return check(sd_bus_message_append_basic(message, 't', &number), tried);
  if (type == 'u' && number <= UINT32_MAX) {
    const auto narrow = static_cast<std::uint32_t>(number);
    return check(sd_bus_message_append_basic(message, 'u', &narrow), tried);
  }
  if (type == 'y' && number <= UINT8_MAX) {
    const auto narrow = static_cast<std::uint8_t>(number);
    return check(sd_bus_message_append_basic(message, 'y', &narrow), tried);
  }
  return malformed(value);
}

Status append_array(sd_bus_message* message, const std::string& type, const Json& values) {
  if (!values.is_array()) return malformed(values);
  TRY(check(sd_bus_message_open_container(message, 'a', type.c_str()), "open an array"));
  for (const Json& one : values) TRY(append_value(message, type[0], one));
  return check(sd_bus_message_close_container(message), "close an array");
}

Status append_property(sd_bus_message* message, const Json& property) {
  const bool fits = property.is_array() && property.size() == 3 && property[0].is_string() &&
                    property[1].is_string() && property[1] != "";
  if (!fits) return malformed(property);
  const auto type = property[1].get<std::string>();
  TRY(check(sd_bus_message_open_container(message, 'r', "sv"), "open a property"));
  TRY(append_value(message, 's', property[0]));
  TRY(check(sd_bus_message_open_container(message, 'v', type.c_str()), "open a value"));
  TRY(type[0] == 'a' ? append_array(message, type.substr(1), property[2])
                     : append_value(message, type[0], property[2]));
  TRY(check(sd_bus_message_close_container(message), "close a value"));
  return check(sd_bus_message_close_container(message), "close a property");
}

}  // namespace

Status check(int result, const char* tried) {
  if (result >= 0) return {};
  return sys_error(std::string("sd-bus: ") + tried, -result);
}

Status append_properties(sd_bus_message* message, const Json& properties) {
  if (!properties.is_array()) return malformed(properties);
  TRY(check(sd_bus_message_open_container(message, 'a', "(sv)"), "open the properties"));
  for (const Json& one : properties) TRY(append_property(message, one));
  return check(sd_bus_message_close_container(message), "close the properties");
}

}  // namespace casemate::sdbus
