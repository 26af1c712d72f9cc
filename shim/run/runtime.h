// What every command of the runtime works with: the arguments that root's configuration gives
// (never the container or its image), the host configuration, the kernel.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "policy/host_config.h"
#include "shim/base/result.h"
#include "shim/evidence/audit.h"
#include "shim/sys/kernel.h"
#include "shim/warden/protocol.h"

namespace casemate::run {

struct Settings {
  std::string programs;  // folder of casemate's own executables
  std::string config = "/etc/casemate/casemate.json";
  std::string root = "/run/casemate";  // --root: part of a container's name
  std::string log;                     // --log: file for the JSON error line
  bool log_json = false;
  std::string job;            // --job: file with the signed job request
  std::string tenant;         // --tenant
  std::string notify_socket;  // NOTIFY_SOCKET of the caller's environment; empty: nobody waits
  bool progress = false;
  bool systemd_cgroup = false;
  std::chrono::milliseconds init_deadline{60'000};  // for each of init's messages
  std::chrono::milliseconds warden_deadline = warden::kAnswerDeadline;
};

// Tells a person what was done and how long it took; silent unless asked for.
class Progress {
 public:
  explicit Progress(bool enabled) : enabled_(enabled) {}
  void done(std::string_view what);

 private:
  bool enabled_;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

struct Runtime {
  sys::Kernel& kernel;
  Settings settings;
  policy::HostConfig config;
  Progress progress;

  std::string program(std::string_view name) const {
    return settings.programs + "/" + std::string(name);
  }
  warden::EvidencePaths evidence() const;
};

// Reads the host configuration. A missing file means the built-in one: profile baseline for
// containers without a job, nothing else. A file that cannot be trusted or parsed is an error.
Result<Runtime> make_runtime(sys::Kernel& kernel, Settings settings);

// "casemate: warning: …" on stderr: what was not done, or not as asked, and ends nothing.
void warn(const std::string& text);

// One audit record; a record that cannot be written is an error: nothing runs unseen.
Status audit(Runtime& runtime, std::string_view event, std::string_view container,
             const Json& facts);
// The facts of a refusal, for audit records.
Json error_facts(const Error& error);

}  // namespace casemate::run
