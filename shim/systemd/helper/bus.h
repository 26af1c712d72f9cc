// The few calls of org.freedesktop.systemd1 (org.freedesktop.systemd1(5)) that a container's unit
// needs, by sd-bus(3).
#pragma once

#include <systemd/sd-bus.h>

#include <chrono>
#include <map>
#include <memory>
#include <string>

#include "shim/base/json.h"
#include "shim/base/result.h"

namespace casemate::sdbus {

struct Unref {
  void operator()(sd_bus* bus) const { sd_bus_flush_close_unref(bus); }
  void operator()(sd_bus_message* message) const { sd_bus_message_unref(message); }
  void operator()(sd_bus_slot* slot) const { sd_bus_slot_unref(slot); }
};
using Message = std::unique_ptr<sd_bus_message, Unref>;

class Systemd {
 public:
  // To pid 1 directly (/run/systemd/private, root only), and where that does not answer by the
  // system bus. unsupported "systemd.connect" when neither does.
  static Result<std::unique_ptr<Systemd>> connect();
  Systemd(const Systemd&) = delete;
  Systemd& operator=(const Systemd&) = delete;

  // Each job is waited for. `properties`: [[name, type, value], …] of shim/systemd/properties.h.
  // denied "cgroup.busy" when the unit exists and does not go within a second.
  Status start_transient(const std::string& unit, const Json& properties);
  Status set_properties(const std::string& unit, const Json& properties);
  // A unit that is not there is success, for both.
  Status stop(const std::string& unit);
  Status reset_failed(const std::string& unit);

  // A unit that is not there has its name for a description, or none.
  Result<std::string> description(const std::string& unit);
  Result<std::string> control_group(const std::string& unit);

 private:
  Systemd() = default;
  Status listen();
  Result<Message> new_call(const char* method) const;
  // The reply, or systemd's error as ours: `tried` says what for.
  Result<Message> call(const Message& request, const std::string& tried) const;
  Result<std::string> text(const std::string& unit, const char* interface,
                           const char* property) const;
  Status await_job(const Message& reply, const std::string& unit);
  Result<bool> try_start(const std::string& unit, const Json& properties);

  std::unique_ptr<sd_bus, Unref> bus_;
  bool direct_ = false;
  std::unique_ptr<sd_bus_slot, Unref> slot_;
  std::map<std::string, std::string> ended_jobs_;  // by object path: "done", "failed", …
};

}  // namespace casemate::sdbus
