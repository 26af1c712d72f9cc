// What `casemate exec` was asked for, and the process that it means. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shim/base/result.h"
#include "shim/oci/spec.h"

namespace casemate::run {

struct ExecRequest {
  std::string id;
  // Either the whole process, as text of an OCI process.json …
  std::optional<std::string> process_json;
  // … or a command and what shall differ from the container's own process.
  std::vector<std::string> args;
  std::vector<std::string> env;  // NAME=VALUE
  std::string cwd;               // empty: the container's
  std::string user;              // UID[:GID]; empty: the container's
  std::vector<std::string> additional_gids;
  std::vector<std::string> capabilities;  // besides the container's
  std::string process_label;              // empty: the container's
  bool no_new_privileges = false;
  bool terminal = false;

  std::string pid_file;        // absolute; empty: none
  std::string console_socket;  // path; empty: none
  bool own_terminal = false;   // without a console socket the caller relays the terminal itself
  int preserve_fds = 0;        // descriptors 3 … 3 + n - 1 go to the process
  bool ignore_paused = false;
  std::vector<std::string> cgroups;  // [CONTROLLER[,…]:]PATH, below the container's own
};

struct UserIds {
  std::uint32_t uid = 0;
  std::optional<std::uint32_t> gid;
};
// "UID" or "UID:GID", decimal, 0 to 2^31 - 1 (CVE-2024-40635). Names are refused: what the image's
// /etc/passwd says is the image's word. bad_input "exec.user".
Result<UserIds> parse_user(std::string_view text);

// What ExecRequest::cgroups means: the path below by controller; the path without one stands alone,
// under "", and is for all. bad_input "exec.cgroup".
Result<std::map<std::string, std::string>> parse_subgroups(const std::vector<std::string>& texts);

// `container` is the container's own process, the starting point without a process.json. bad_input
// "exec.*" or "oci.*" when something is malformed.
Result<oci::Process> asked_process(const ExecRequest& request, const oci::Process& container);

}  // namespace casemate::run
