#include "shim/systemd/helper/answer.h"

#include "shim/systemd/helper/bus.h"

namespace casemate::sdbus {
namespace {

// The unit's description is what we know it by later.
Status start(Systemd& systemd, const std::string& unit, const std::string& description,
             Json properties, const sys::HandOver& hand_over) {
  if (properties.is_array()) properties.push_back({"Description", "s", description});
  TRY(systemd.start_transient(unit, properties));
  if (TRY(systemd.description(unit)) != description) {
    TRY(systemd.stop(unit));
    return unsupported(
        "systemd.description", "a drop-in gives " + unit + " another description",
        "remove Description= from the drop-ins of scopes (systemctl cat " + unit + ")");
  }
  return hand_over({{"controlGroup", TRY(systemd.control_group(unit))}}, {});
}

Status set(Systemd& systemd, const std::string& unit, const std::string& description,
           const Json& properties) {
  if (TRY(systemd.description(unit)) == description)
    return systemd.set_properties(unit, properties);
  return internal("systemd.gone", "the container's unit " + unit + " is gone",
                  "somebody else ended it; delete the container");
}

Status stop(Systemd& systemd, const std::string& unit, const std::string& description) {
  if (TRY(systemd.description(unit)) != description) return {};
  TRY(systemd.stop(unit));
  return systemd.reset_failed(unit);
}

}  // namespace

Result<sys::HelperMessage> answer(const sys::HelperMessage& request,
                                  const sys::HandOver& hand_over) {
  auto object = TRY(JsonObject::of(request.body));
  const auto op = TRY(object.get<std::string>("op"));
  const auto unit = TRY(object.get<std::string>("unit"));
  const auto description = TRY(object.get_or<std::string>("description", ""));
  const Json* properties = object.take("properties");
  const Json none = Json::array();
  if (properties == nullptr) properties = &none;
  TRY(object.done());
  const auto systemd = TRY(Systemd::connect());
  Status done;
  if (op == "start")
    done = start(*systemd, unit, description, *properties, hand_over);
  else if (op == "set")
    done = set(*systemd, unit, description, *properties);
  else if (op == "stop")
    done = stop(*systemd, unit, description);
  else
    return bad_input("systemd.request", "no such operation: " + op);
  if (!done) return std::unexpected(done.error());
  return sys::HelperMessage{};
}

}  // namespace casemate::sdbus
