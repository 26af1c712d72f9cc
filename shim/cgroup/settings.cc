#include "shim/cgroup/settings.h"

#include <algorithm>
#include <limits>

#include "shim/base/number.h"
#include "shim/cgroup/files.h"

namespace casemate::cgroup {
namespace {

// Above this the kernel means "no limit": v1 shows the largest multiple of a page.
constexpr std::uint64_t kUnlimited = std::uint64_t{1} << 62;
constexpr unsigned kMaxCpu = 1 << 16;

Result<Settings> nothing(const oci::Resources&) {
  return Settings{};
}

// Bytes with the suffixes that the kernel's memparse takes; unlimited is the largest number.
std::optional<std::uint64_t> byte_count(std::string_view text) {
  if (text == "max" || text == "-1") return kUnlimited;
  unsigned shift = 0;
  const std::size_t unit = std::string_view("kmgtKMGT").find(text.empty() ? '\0' : text.back());
  if (unit != std::string_view::npos) {
    shift = 10 * static_cast<unsigned>(unit % 4 + 1);
    text.remove_suffix(1);
  }
  const auto value = whole_number<std::uint64_t>(text);
  if (!value || (*value << shift) >> shift != *value) return std::nullopt;
  return std::min(*value << shift, kUnlimited);
}

bool same_bytes(const Setting& setting, std::string_view observed) {
  const auto asked = byte_count(trim(setting.value));
  const auto seen = byte_count(observed);
  if (!asked || !seen) return false;
  if (*asked == kUnlimited || *seen >= kUnlimited - setting.unit) {
    return *asked >= kUnlimited - setting.unit && *seen >= kUnlimited - setting.unit;
  }
  return *seen == *asked / setting.unit * setting.unit;
}

// A table line for the first word that has all the others too; a line that means "no limit" may be
// absent, for the kernel drops it.
bool same_text(std::string_view asked, std::string_view observed) {
  if (asked == observed) return true;
  const auto wanted = words(asked);
  if (wanted.empty()) return false;
  bool listed = false;
  for (const std::string_view line : split(observed, '\n')) {
    const auto have = words(line);
    const auto has = [&](std::string_view word) {
      return std::ranges::find(have, word) != have.end();
    };
    if (std::ranges::all_of(wanted, has)) return true;
    listed |= !have.empty() && have.front() == wanted.front();
  }
  const bool unlimited = std::ranges::all_of(wanted.begin() + 1, wanted.end(), [](auto word) {
    return word == "0" || word.ends_with("=max");
  });
  return wanted.size() > 1 && unlimited && !listed;
}

}  // namespace

const std::vector<Controller>& controllers() {
  static const std::vector<Controller> all = {
      {"cpuset", "cpuset", "/linux/resources/cpu", cpuset_both, cpuset_both},
      {"cpu", "cpu", "/linux/resources/cpu", cpu_v1, cpu_v2},
      {"memory", "memory", "/linux/resources/memory", memory_v1, memory_v2},
      {"pids", "pids", "/linux/resources/pids", pids_both, pids_both},
      {"blkio", "io", "/linux/resources/blockIO", block_io_v1, block_io_v2},
      {"hugetlb", "hugetlb", "/linux/resources/hugepageLimits", hugetlb_v1, hugetlb_v2},
      {"net_cls", "", "/linux/resources/network", net_cls_v1, nothing},
      {"net_prio", "", "/linux/resources/network", net_prio_v1, nothing},
      {"rdma", "rdma", "/linux/resources/rdma", rdma_both, rdma_both},
  };
  return all;
}

std::string limit_v1(std::int64_t value) {
  return std::to_string(std::max<std::int64_t>(value, -1));
}
std::string limit_v2(std::int64_t value) {
  return value < 0 ? "max" : std::to_string(value);
}

Status one_line(std::string_view text, const std::string& pointer) {
  const bool fits = !text.empty() &&
                    std::ranges::all_of(text, [](unsigned char c) { return c > ' ' && c != 0x7f; });
  if (fits) return {};
  return bad_input("cgroup.limit", "the name \"" + std::string(text) + "\"",
                   "names have no spaces and no control characters", pointer);
}

Result<std::uint64_t> huge_page_size(const std::string& name) {
  static constexpr std::pair<std::string_view, std::uint64_t> kUnits[] = {
      {"KB", 1024}, {"MB", 1024 * 1024}, {"GB", 1024 * 1024 * 1024}};
  for (const auto& [suffix, bytes] : kUnits) {
    if (!name.ends_with(suffix)) continue;
    const auto count =
        whole_number<std::uint64_t>(std::string_view(name).substr(0, name.size() - suffix.size()));
    if (count && *count > 0 && *count <= 1024) return *count * bytes;
  }
  return bad_input("cgroup.limit", "huge page size \"" + name + "\"",
                   "as the kernel writes it: 64KB, 2MB, 1GB", "/linux/resources/hugepageLimits");
}

Result<Settings> cpuset_both(const oci::Resources& asked) {
  Settings out;
  const auto add = [&](const std::string& value, const char* file, const char* key) -> Status {
    if (value.empty()) return {};
    const std::string pointer = std::string("/linux/resources/cpu/") + key;
    if (!parse_list(value)) {
      return bad_input("cgroup.limit", "the list \"" + value + "\"", "as in 0-3,8", pointer);
    }
    out.push_back({.file = file, .value = value, .compare = Compare::list, .pointer = pointer});
    return {};
  };
  TRY(add(asked.cpu.cpus, "cpuset.cpus", "cpus"));
  TRY(add(asked.cpu.mems, "cpuset.mems", "mems"));
  return out;
}

Result<Settings> pids_both(const oci::Resources& asked) {
  if (!asked.pids_limit || *asked.pids_limit == 0) return Settings{};
  return Settings{{.file = "pids.max",
                   .value = limit_v2(*asked.pids_limit),
                   .pointer = "/linux/resources/pids/limit"}};
}

Result<Settings> rdma_both(const oci::Resources& asked) {
  Settings out;
  for (const auto& [device, limits] : asked.rdma) {
    const std::string pointer = "/linux/resources/rdma";
    TRY(one_line(device, pointer));
    std::string value = device;
    if (limits.first) value += " hca_handle=" + std::to_string(*limits.first);
    if (limits.second) value += " hca_object=" + std::to_string(*limits.second);
    if (value != device) out.push_back({.file = "rdma.max", .value = value, .pointer = pointer});
  }
  return out;
}

Result<Settings> unified_settings(const oci::Resources& asked) {
  Settings out;
  for (const auto& [file, value] : asked.unified) {
    const std::string pointer = "/linux/resources/unified/" + pointer_token(file);
    const std::size_t dot = file.find('.');
    const bool fits = dot != std::string::npos && dot > 0 && !file.starts_with("cgroup.") &&
                      std::ranges::all_of(file, [](char c) {
                        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                               (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
                      });
    if (!fits || value.find('\0') != std::string::npos) {
      return bad_input("cgroup.unified", "cgroup file \"" + file + "\"",
                       "name a controller's file, such as memory.high", pointer);
    }
    const bool bytes = file.starts_with("memory.") && byte_count(trim(value));
    out.push_back({.file = file,
                   .value = value,
                   .compare = bytes ? Compare::bytes : Compare::text,
                   .unit = bytes ? 4096u : 1u,
                   .pointer = pointer});
  }
  return out;
}

std::optional<std::set<unsigned>> parse_list(std::string_view text) {
  std::set<unsigned> out;
  for (const std::string_view piece : split(text, ',')) {
    if (piece.empty()) continue;
    const std::size_t dash = piece.find('-');
    const auto first = whole_number<std::uint64_t>(piece.substr(0, dash));
    const auto last = dash == std::string_view::npos
                          ? first
                          : whole_number<std::uint64_t>(piece.substr(dash + 1));
    if (!first || !last || *first > *last || *last >= kMaxCpu) return std::nullopt;
    for (auto i = *first; i <= *last; ++i) out.insert(static_cast<unsigned>(i));
  }
  return out;
}

bool holds(const Setting& setting, std::string_view observed) {
  const std::string_view seen = trim(observed);
  switch (setting.compare) {
    case Compare::bytes:
      return same_bytes(setting, seen);
    case Compare::list:
      return parse_list(seen) == parse_list(setting.value);
    case Compare::text:
      break;
  }
  return same_text(trim(setting.readback.empty() ? setting.value : setting.readback), seen);
}

std::string value_to_restore(const Setting& setting, std::string_view before) {
  const std::string_view text = trim(before);
  if (!setting.readback.empty()) {  // memory.oom_control, which shows more than is written to it
    const std::size_t space = setting.readback.find(' ');
    const std::string key = setting.readback.substr(0, space + 1);
    const std::size_t at = text.find(key);
    return std::string(at == std::string_view::npos ? "0" : text.substr(at + key.size(), 1));
  }
  const auto wanted = words(setting.value);
  if (wanted.size() > 1) {
    for (const std::string_view line : split(text, '\n')) {
      const auto have = words(line);
      if (!have.empty() && have.front() == wanted.front()) return std::string(trim(line));
    }
  }
  // io.weight alone is written as "default N"; everything else as it is read.
  return std::string(text.substr(0, text.find('\n')));
}

}  // namespace casemate::cgroup
