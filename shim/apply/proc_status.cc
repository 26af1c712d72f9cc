#include "shim/apply/proc_status.h"

#include <charconv>
#include <string>

namespace casemate::apply {
namespace {

// The value of "Key:\tvalue", without the key.
Result<std::string_view> field(std::string_view text, std::string_view key) {
  const std::string start = "\n" + std::string(key) + ":";
  const auto at = text.find(start);
  if (at == std::string_view::npos)
    return internal("proc.status", "no " + std::string(key) + " in /proc/PID/status");
  const auto from = at + start.size();
  return text.substr(from, text.find('\n', from) - from);
}

// Numbers separated by white space.
template <class T>
Result<std::vector<T>> numbers(std::string_view text, std::string_view key, int base) {
  std::string_view rest = TRY(field(text, key));
  std::vector<T> out;
  while (true) {
    const auto start = rest.find_first_not_of(" \t");
    if (start == std::string_view::npos) return out;
    rest.remove_prefix(start);
    T value{};
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value, base);
    if (error != std::errc()) return internal("proc.status", "malformed " + std::string(key));
    out.push_back(value);
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
  }
}

template <class T>
Result<T> number(std::string_view text, std::string_view key, int base) {
  const auto all = TRY(numbers<T>(text, key, base));
  if (all.size() != 1) return internal("proc.status", "malformed " + std::string(key));
  return all[0];
}

Result<std::array<std::uint32_t, 4>> four(std::string_view text, std::string_view key) {
  const auto all = TRY(numbers<std::uint32_t>(text, key, 10));
  if (all.size() != 4) return internal("proc.status", "malformed " + std::string(key));
  return std::array<std::uint32_t, 4>{all[0], all[1], all[2], all[3]};
}

// Of a list with one number for each pid namespace, the reader's own.
Result<pid_t> outermost(std::string_view text, std::string_view key) {
  const auto all = TRY(numbers<pid_t>(text, key, 10));
  if (all.empty()) return internal("proc.status", "malformed " + std::string(key));
  return all[0];
}

}  // namespace

Result<ProcStatus> parse_status(std::string_view text) {
  ProcStatus status;
  status.uids = TRY(four(text, "Uid"));
  status.gids = TRY(four(text, "Gid"));
  status.groups = TRY(numbers<std::uint32_t>(text, "Groups", 10));
  status.cap_inheritable = TRY(number<std::uint64_t>(text, "CapInh", 16));
  status.cap_permitted = TRY(number<std::uint64_t>(text, "CapPrm", 16));
  status.cap_effective = TRY(number<std::uint64_t>(text, "CapEff", 16));
  status.cap_bounding = TRY(number<std::uint64_t>(text, "CapBnd", 16));
  status.cap_ambient = TRY(number<std::uint64_t>(text, "CapAmb", 16));
  status.no_new_privileges = TRY(number<int>(text, "NoNewPrivs", 10)) == 1;
  status.seccomp_mode = TRY(number<int>(text, "Seccomp", 10));
  status.seccomp_filters = TRY(number<int>(text, "Seccomp_filters", 10));
  status.umask = TRY(number<std::uint32_t>(text, "Umask", 8));
  status.pid = TRY(number<pid_t>(text, "Pid", 10));
  status.session = TRY(outermost(text, "NSsid"));
  return status;
}

Result<ProcStatus> read_status(const fs::ProcFs& proc, std::string_view process) {
  return parse_status(TRY(proc.read(std::string(process) + "/status")));
}

}  // namespace casemate::apply
