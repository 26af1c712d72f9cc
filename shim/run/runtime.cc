#include "shim/run/runtime.h"

#include <cstdio>

#include "shim/fs/host_file.h"
#include "shim/run/audit_facts.h"

namespace casemate::run {
namespace {

constexpr std::size_t kMaxConfig = 1 << 20;

// dockerd runs itself as the hook that gives a container its network.
constexpr std::string_view kBuiltIn = R"({
  "version": 1,
  "hooks": [{"path": "/usr/sbin/dockerd"}, {"path": "/usr/bin/dockerd"}],
  "rules": [{"job": false, "profile": "baseline"}, {"deny": true}]
})";

Result<std::string> config_text(sys::Kernel& kernel, const Settings& settings) {
  auto text = fs::read_trusted_file(kernel, settings.config, kMaxConfig);
  if (text) return text;
  const bool optional = settings.config == Settings{}.config;
  if (optional && fs::is_absent(kernel, settings.config)) return std::string(kBuiltIn);
  return std::unexpected(std::move(text.error()).with_context("host configuration"));
}

}  // namespace

void Progress::done(std::string_view what) {
  const auto now = std::chrono::steady_clock::now();
  const std::chrono::duration<double, std::milli> took = now - last_;
  last_ = now;
  if (enabled_)
    std::fprintf(stderr, "  \u2714 %-76s %8.1f ms\n", printable(what).c_str(), took.count());
}

void warn(const std::string& text) {
  std::fprintf(stderr, "casemate: warning: %s\n", text.c_str());
}

warden::EvidencePaths Runtime::evidence() const {
  const std::string& data = config.paths.data;
  return {
      .audit = data + "/audit/audit.jsonl", .receipts = data + "/receipts", .keys = data + "/keys"};
}

Result<Runtime> make_runtime(sys::Kernel& kernel, Settings settings) {
  policy::HostConfig config = TRY(policy::parse_host_config(TRY(config_text(kernel, settings))));
  const Progress progress(settings.progress);
  return Runtime{kernel, std::move(settings), std::move(config), progress};
}

Status audit(Runtime& runtime, std::string_view event, std::string_view container,
             const Json& facts) {
  auto log = TRY(evidence::AuditLog::open(runtime.kernel, runtime.evidence().audit));
  TRY(log.append(event, bounded_text(container, kMostName), facts));
  return {};
}

Json error_facts(const Error& error) {
  return {{"class", to_string(error.cls)},
          {"rule", error.rule},
          {"what", bounded_text(error.what)},
          {"pointer", bounded_text(error.pointer)},
          {"errno", error.sys_errno}};
}

}  // namespace casemate::run
