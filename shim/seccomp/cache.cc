#include "shim/seccomp/cache.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <optional>
#include <span>

#include "shim/base/encoding.h"
#include "shim/fs/host_file.h"
#include "shim/seccomp/arch.h"
#include "shim/seccomp/evaluate.h"

namespace casemate::seccomp {
namespace {

// Another layout of the file, or another way to compile, is another number here.
constexpr std::string_view kFormat = "casemate seccomp 1\n";
constexpr std::size_t kMaxFile = 64 * 1024;  // 4096 instructions of 8 bytes and the frame

// Length before content, so that no two different values have the same bytes.
class Canonical {
 public:
  Canonical& add(std::uint64_t value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  Canonical& add(std::string_view text) {
    add(static_cast<std::uint64_t>(text.size()));
    bytes_ += text;
    return *this;
  }
  Canonical& add(const std::optional<std::uint32_t>& value) {
    return add(std::uint64_t{value.has_value()}).add(std::uint64_t{value.value_or(0)});
  }
  Canonical& add(const std::vector<std::string>& list) {
    add(static_cast<std::uint64_t>(list.size()));
    for (const std::string& one : list) add(std::string_view(one));
    return *this;
  }
  std::string_view bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

void add_rule(Canonical& out, const oci::SeccompRule& rule) {
  out.add(rule.names).add(std::string_view(rule.action)).add(rule.errno_ret);
  out.add(static_cast<std::uint64_t>(rule.args.size()));
  for (const oci::SeccompArg& arg : rule.args) {
    out.add(std::uint64_t{arg.index}).add(arg.value).add(arg.value_two);
    out.add(std::string_view(arg.op));
  }
}

// libseccomp and the code that calls it are parts of this program: another build of it compiles
// anew.
void add_compiler(Canonical& out) {
  struct stat file{};
  if (::stat("/proc/self/exe", &file) != 0) return;
  out.add(static_cast<std::uint64_t>(file.st_ino)).add(static_cast<std::uint64_t>(file.st_size));
  out.add(static_cast<std::uint64_t>(file.st_mtim.tv_sec));
}

Status check_directory(int cache_dir) {
  struct stat info{};
  if (::fstat(cache_dir, &info) != 0) return sys_error("fstat of the seccomp cache");
  if (S_ISDIR(info.st_mode) && info.st_uid == ::geteuid() && (info.st_mode & 077) == 0) return {};
  return internal("seccomp.cache-dir", "the seccomp cache is open to others",
                  "make it mode 0700 and owned by the user that runs casemate");
}

std::string to_file(std::string_view key, std::span<const sock_filter> program) {
  std::string bytes(kFormat);
  bytes += key;
  bytes.append(reinterpret_cast<const char*>(program.data()), program.size_bytes());
  const Sha256 digest = sha256(as_bytes(bytes));
  bytes += as_text(digest);
  return bytes;
}

// Nothing when the file is not exactly what to_file() wrote for this key.
std::optional<std::vector<sock_filter>> from_file(std::string_view key, std::string_view bytes) {
  const std::size_t head = kFormat.size() + key.size();
  if (bytes.size() < head + sizeof(Sha256)) return std::nullopt;
  const std::string_view signed_part = bytes.substr(0, bytes.size() - sizeof(Sha256));
  const Sha256 digest = sha256(as_bytes(signed_part));
  if (as_text(digest) != bytes.substr(signed_part.size())) return std::nullopt;
  if (!signed_part.starts_with(kFormat)) return std::nullopt;
  if (signed_part.substr(kFormat.size(), key.size()) != key) return std::nullopt;
  const std::string_view body = signed_part.substr(head);
  if (body.size() % sizeof(sock_filter) != 0) return std::nullopt;
  std::vector<sock_filter> program(body.size() / sizeof(sock_filter));
  std::memcpy(program.data(), body.data(), body.size());
  if (!validate(program)) return std::nullopt;
  return program;
}

}  // namespace

std::string cache_key(const oci::Seccomp& asked, const Options& options) {
  Canonical out;
  out.add(kFormat).add(std::string_view(CASEMATE_VERSION)).add(std::uint64_t{kNativeAuditArch});
  add_compiler(out);
  out.add(std::uint64_t{options.native_only});
  out.add(std::string_view(asked.default_action)).add(asked.default_errno_ret);
  out.add(asked.architectures).add(asked.flags).add(std::string_view(asked.listener_path));
  out.add(static_cast<std::uint64_t>(asked.syscalls.size()));
  for (const oci::SeccompRule& rule : asked.syscalls) add_rule(out, rule);
  return sha256_hex(out.bytes());
}

Result<std::vector<sock_filter>> load_or_compile(sys::Kernel& kernel, int cache_dir,
                                                 const oci::Seccomp& asked,
                                                 const Options& options) {
  TRY(check_directory(cache_dir));
  const std::string key = cache_key(asked, options);
  if (const auto bytes = fs::read_file_at(kernel, cache_dir, key, kMaxFile)) {
    if (auto program = from_file(key, *bytes)) return std::move(*program);
  }
  auto program = TRY(compile(asked, options));
  // A full disk must not stop a container whose filter we have: the next start compiles again.
  (void)fs::write_atomically_at(kernel, cache_dir, key, to_file(key, program), 0600);
  return program;
}

}  // namespace casemate::seccomp
