#include "shim/systemd/helper/bus.h"

#include <array>
#include <thread>

#include "shim/base/clock.h"
#include "shim/base/encoding.h"
#include "shim/systemd/helper/values.h"

namespace casemate::sdbus {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr const char* kService = "org.freedesktop.systemd1";
constexpr const char* kObject = "/org/freedesktop/systemd1";
constexpr const char* kManager = "org.freedesktop.systemd1.Manager";
constexpr const char* kPrivate = "unix:path=/run/systemd/private";
constexpr milliseconds kCallDeadline{10'000};
constexpr milliseconds kJobDeadline{20'000};
constexpr milliseconds kBusyPatience{1'000};

// Owned by this scope; what systemd says is freed with it.
struct BusError {
  sd_bus_error error = SD_BUS_ERROR_NULL;
  BusError() = default;
  BusError(const BusError&) = delete;
  BusError& operator=(const BusError&) = delete;
  ~BusError() { sd_bus_error_free(&error); }
};

// The class tells who can do something about it.
std::unexpected<Error> translate(const sd_bus_error& error, int result, const std::string& tried) {
  const std::string name = error.name != nullptr ? error.name : "";
  const std::string what = tried + ": " + (error.message != nullptr ? error.message : name);
  if (name == "org.freedesktop.systemd1.NoSuchUnit" ||
      name == "org.freedesktop.systemd1.NoSuchUnitProcess")
    return internal("systemd.gone", what, "somebody else ended the unit; delete the container");
  if (name == "org.freedesktop.systemd1.UnitExists")
    return denied("cgroup.busy", what,
                  "another container uses it: choose another id or cgroups path",
                  "/linux/cgroupsPath");
  if (name == SD_BUS_ERROR_INVALID_ARGS || name == SD_BUS_ERROR_PROPERTY_READ_ONLY ||
      name == SD_BUS_ERROR_UNKNOWN_PROPERTY)
    return unsupported("systemd.refused", what,
                       "this systemd takes no such property: leave the limit out, or use the "
                       "cgroupfs driver");
  auto out = internal("systemd.call", what, "see journalctl -b _PID=1");
  out.error().sys_errno = -result;
  return out;
}

int on_job_removed(sd_bus_message* message, void* data, sd_bus_error*) {
  const char* job = nullptr;
  const char* result = nullptr;
  if (sd_bus_message_read(message, "uoss", nullptr, &job, nullptr, &result) > 0)
    static_cast<std::map<std::string, std::string>*>(data)->insert_or_assign(job, result);
  return 0;
}

Result<sd_bus*> connect_directly() {
  sd_bus* bus = nullptr;
  TRY(check(sd_bus_new(&bus), "make a connection"));
  const bool connected = sd_bus_set_address(bus, kPrivate) >= 0 && sd_bus_start(bus) >= 0;
  if (connected) return bus;
  sd_bus_unref(bus);
  return nullptr;
}

}  // namespace

Result<std::unique_ptr<Systemd>> Systemd::connect() {
  std::unique_ptr<Systemd> out(new Systemd);
  out->bus_.reset(TRY(connect_directly()));
  out->direct_ = out->bus_ != nullptr;
  if (!out->direct_) {
    sd_bus* bus = nullptr;
    const int opened = sd_bus_open_system(&bus);
    if (opened < 0) {
      auto error = unsupported("systemd.connect", "systemd does not answer on this host",
                               "is it pid 1 here? If not, configure the engine's cgroupfs driver");
      error.error().sys_errno = -opened;
      return error;
    }
    out->bus_.reset(bus);
  }
  TRY(check(sd_bus_set_method_call_timeout(
                out->bus_.get(), static_cast<std::uint64_t>(microseconds(kCallDeadline).count())),
            "set a deadline"));
  TRY(out->listen());
  return out;
}

// Before the first job. Pid 1 tells direct connections everything, the bus only those who ask;
// there anyone could send such a signal, so its sender is named.
Status Systemd::listen() {
  sd_bus_slot* slot = nullptr;
  TRY(check(sd_bus_match_signal(bus_.get(), &slot, direct_ ? nullptr : kService, kObject, kManager,
                                "JobRemoved", on_job_removed, &ended_jobs_),
            "listen for JobRemoved"));
  slot_.reset(slot);
  if (direct_) return {};
  TRY(call(TRY(new_call("Subscribe")), "listen to systemd"));
  return {};
}

Result<Message> Systemd::new_call(const char* method) const {
  sd_bus_message* message = nullptr;
  TRY(check(
      sd_bus_message_new_method_call(bus_.get(), &message, kService, kObject, kManager, method),
      method));
  return Message(message);
}

Result<Message> Systemd::call(const Message& request, const std::string& tried) const {
  BusError failure;
  sd_bus_message* reply = nullptr;
  const int result = sd_bus_call(bus_.get(), request.get(), 0, &failure.error, &reply);
  if (result < 0) return translate(failure.error, result, tried);
  return Message(reply);
}

Result<std::string> Systemd::text(const std::string& unit, const char* interface,
                                  const char* property) const {
  char* encoded = nullptr;
  TRY(check(sd_bus_path_encode("/org/freedesktop/systemd1/unit", unit.c_str(), &encoded),
            "name the unit"));
  const std::unique_ptr<char, decltype(&::free)> path(encoded, &::free);
  BusError failure;
  char* value = nullptr;
  const int result = sd_bus_get_property_string(bus_.get(), kService, path.get(), interface,
                                                property, &failure.error, &value);
  if (result < 0)
    return translate(failure.error, result, std::string("read ") + property + " of " + unit);
  const std::unique_ptr<char, decltype(&::free)> text(value, &::free);
  return std::string(value);
}

Status Systemd::await_job(const Message& reply, const std::string& unit) {
  const char* job = nullptr;
  TRY(check(sd_bus_message_read(reply.get(), "o", &job), "read the job's name"));
  const std::int64_t end = monotonic_ns() + std::chrono::nanoseconds(kJobDeadline).count();
  while (!ended_jobs_.contains(job)) {
    const int processed = sd_bus_process(bus_.get(), nullptr);
    TRY(check(processed, "wait for the job"));
    const std::int64_t left = (end - monotonic_ns()) / 1000;
    if (left <= 0)
      return internal("systemd.deadline", "systemd's job for " + unit + " does not end",
                      "see systemctl list-jobs");
    if (processed == 0)
      TRY(check(sd_bus_wait(bus_.get(), static_cast<std::uint64_t>(left)), "wait for the job"));
  }
  const std::string& result = ended_jobs_[job];
  if (result == "done") return {};
  return internal("systemd.job", "systemd's job for " + unit + " ended with \"" + result + "\"",
                  "see systemctl status " + unit + " and journalctl -b _PID=1");
}

// False: a unit of that name is there.
Result<bool> Systemd::try_start(const std::string& unit, const Json& properties) {
  const Message request = TRY(new_call("StartTransientUnit"));
  TRY(check(sd_bus_message_append(request.get(), "ss", unit.c_str(), "replace"), "name the unit"));
  TRY(append_properties(request.get(), properties));
  TRY(check(sd_bus_message_append(request.get(), "a(sa(sv))", 0), "name no other units"));
  const auto reply = call(request, "start " + unit);
  if (!reply && reply.error().rule == "cgroup.busy") return false;
  if (!reply) return std::unexpected(reply.error());
  TRY(await_job(*reply, unit));
  return true;
}

// One that has just ended is forgotten a moment later, one that failed when it is told to be.
Status Systemd::start_transient(const std::string& unit, const Json& properties) {
  const std::int64_t end = monotonic_ns() + std::chrono::nanoseconds(kBusyPatience).count();
  while (!TRY(try_start(unit, properties))) {
    if (monotonic_ns() > end)
      return denied("cgroup.busy", "systemd has a unit " + unit + " already",
                    "another container uses it: choose another id or cgroups path",
                    "/linux/cgroupsPath");
    static_cast<void>(reset_failed(unit));
    std::this_thread::sleep_for(milliseconds(20));
  }
  return {};
}

Status Systemd::set_properties(const std::string& unit, const Json& properties) {
  const Message request = TRY(new_call("SetUnitProperties"));
  TRY(check(sd_bus_message_append(request.get(), "sb", unit.c_str(), 1), "name the unit"));
  TRY(append_properties(request.get(), properties));
  TRY(call(request, "change " + unit));
  return {};
}

Status Systemd::stop(const std::string& unit) {
  const Message request = TRY(new_call("StopUnit"));
  TRY(check(sd_bus_message_append(request.get(), "ss", unit.c_str(), "replace"), "name the unit"));
  const auto reply = call(request, "stop " + unit);
  if (!reply && reply.error().rule == "systemd.gone") return {};
  if (!reply) return std::unexpected(reply.error());
  return await_job(*reply, unit);
}

Status Systemd::reset_failed(const std::string& unit) {
  const Message request = TRY(new_call("ResetFailedUnit"));
  TRY(check(sd_bus_message_append(request.get(), "s", unit.c_str()), "name the unit"));
  const auto reply = call(request, "reset " + unit);
  if (!reply && reply.error().rule != "systemd.gone") return std::unexpected(reply.error());
  return {};
}

Result<std::string> Systemd::description(const std::string& unit) {
  auto found = text(unit, "org.freedesktop.systemd1.Unit", "Description");
  if (!found && found.error().rule == "systemd.gone") return std::string();
  return found;
}

Result<std::string> Systemd::control_group(const std::string& unit) {
  return text(unit, "org.freedesktop.systemd1.Scope", "ControlGroup");
}

}  // namespace casemate::sdbus
