// The records of a container's directory as JSON, and the processes they name.
#include <cstdio>
#include <fstream>
#include <iterator>

#include "shim/warden/container_dir.h"

namespace casemate::warden {
namespace {

struct Stat {
  char state = 'X';
  std::uint64_t start_time = 0;  // 0: no such process
};

// The command name stands in parentheses and may hold anything, so fields count from the last ')'.
Stat read_stat(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const auto end = text.rfind(')');
  Stat stat;
  unsigned long long start = 0;
  if (end == std::string::npos ||
      std::sscanf(
          text.c_str() + end + 1,
          " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
          &stat.state, &start) != 2)
    return Stat{};
  stat.start_time = start;
  return stat;
}

Result<pid_t> take_pid(JsonObject& object, std::string_view key) {
  const auto number = TRY(object.get_or<std::int64_t>(key, 0));
  if (number < 0 || number > INT32_MAX)
    return bad_input("state.pid", "a process id out of range", {}, object.pointer_to(key));
  return static_cast<pid_t>(number);
}

}  // namespace

Json StateRecord::to_json() const {
  return {{"ociVersion", oci_version},
          {"id", id},
          {"bundle", bundle},
          {"created", created},
          {"pid", pid},
          {"pidStartTime", pid_start_time},
          {"wardenPid", warden_pid},
          {"twinPid", twin_pid},
          {"planDigest", plan_digest},
          {"annotations", annotations},
          {"extra", extra}};
}

Result<StateRecord> StateRecord::from_json(const Json& value) {
  auto object = TRY(JsonObject::of(value));
  StateRecord record;
  record.oci_version = TRY(object.get<std::string>("ociVersion"));
  record.id = TRY(object.get<std::string>("id"));
  record.bundle = TRY(object.get<std::string>("bundle"));
  record.created = TRY(object.get<std::string>("created"));
  record.pid = TRY(take_pid(object, "pid"));
  record.pid_start_time = TRY(object.get_or<std::uint64_t>("pidStartTime", 0));
  record.warden_pid = TRY(take_pid(object, "wardenPid"));
  record.twin_pid = TRY(take_pid(object, "twinPid"));
  record.plan_digest = TRY(object.get_or<std::string>("planDigest", ""));
  for (auto& [key, text] : TRY(object.string_map("annotations")))
    record.annotations.emplace(std::move(key), std::move(text));
  if (const auto extra = TRY(object.find_object("extra"))) record.extra = extra->raw();
  TRY(object.done());
  return record;
}

Json EndRecord::to_json() const {
  Json value = {{"exitCode", nullptr},     {"wipedBytes", wiped_bytes}, {"files", wiped_files},
                {"seconds", wipe_seconds}, {"receipt", receipt},        {"problem", problem}};
  if (exit_code) value["exitCode"] = *exit_code;
  return value;
}

Result<EndRecord> EndRecord::from_json(const Json& value) {
  auto object = TRY(JsonObject::of(value));
  EndRecord record;
  if (const auto code = TRY(object.find<std::uint64_t>("exitCode"))) {
    if (*code > 255)
      return bad_input("result.exit-code", "no exit code", {}, object.pointer_to("exitCode"));
    record.exit_code = static_cast<int>(*code);
  }
  record.wiped_bytes = TRY(object.get<std::uint64_t>("wipedBytes"));
  record.wiped_files = TRY(object.get<std::uint64_t>("files"));
  record.wipe_seconds = TRY(object.get<double>("seconds"));
  record.receipt = TRY(object.get<std::string>("receipt"));
  record.problem = TRY(object.get<std::string>("problem"));
  TRY(object.done());
  return record;
}

std::uint64_t process_start_time(pid_t pid) {
  return read_stat(pid).start_time;
}

bool process_alive(pid_t pid, std::uint64_t start_time) {
  if (pid <= 0) return false;
  const Stat stat = read_stat(pid);
  return stat.start_time != 0 && stat.start_time == start_time && stat.state != 'Z' &&
         stat.state != 'X';
}

}  // namespace casemate::warden
