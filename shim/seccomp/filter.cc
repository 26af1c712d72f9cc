#include "shim/seccomp/filter.h"

#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "shim/base/unique_fd.h"
#include "shim/seccomp/enosys.h"
#include "shim/seccomp/names.h"

namespace casemate::seccomp {
namespace {

constexpr std::size_t kMaxLength = BPF_MAXINSNS;
constexpr const char* kPointer = "/linux/seccomp";

struct Release {
  void operator()(void* context) const { ::seccomp_release(context); }
};
using Context = std::unique_ptr<void, Release>;

std::string rule_pointer(std::size_t index) {
  return std::string(kPointer) + "/syscalls/" + std::to_string(index);
}

std::unexpected<Error> library_error(const std::string& what, int code,
                                     const std::string& pointer) {
  auto error = bad_input("seccomp.rule", what, "libseccomp refused it", pointer);
  error.error().sys_errno = -code;
  return error;
}

// The calling conventions that the filter answers; libseccomp has the native one already.
Result<std::set<std::uint32_t>> architectures(const oci::Seccomp& asked, const Options& options) {
  std::set<std::uint32_t> tokens = {SCMP_ARCH_X86_64};
#if defined(__aarch64__)
  tokens = {SCMP_ARCH_AARCH64};
#endif
  if (options.native_only) return tokens;
  for (std::size_t i = 0; i < asked.architectures.size(); ++i) {
    tokens.insert(TRY(parse_architecture(
        asked.architectures[i], std::string(kPointer) + "/architectures/" + std::to_string(i))));
  }
  return tokens;
}

Result<Context> new_context(std::uint32_t default_action, const std::set<std::uint32_t>& tokens) {
  Context context(::seccomp_init(default_action));
  if (!context) return internal("seccomp.library", "libseccomp cannot make a filter");
  // A foreign call would mean other numbers: end the whole process, not one thread of it.
  int code = ::seccomp_attr_set(context.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
  if (code != 0) return library_error("set the action for foreign architectures", code, kPointer);
  for (const std::uint32_t token : tokens) {
    code = ::seccomp_arch_add(context.get(), token);
    if (code != 0 && code != -EEXIST) {
      return library_error("add an architecture", code, std::string(kPointer) + "/architectures");
    }
  }
  return context;
}

Result<std::vector<scmp_arg_cmp>> conditions(const oci::SeccompRule& rule,
                                             const std::string& pointer) {
  std::vector<scmp_arg_cmp> out;
  for (const oci::SeccompArg& arg : rule.args) {
    if (arg.index > 5) {
      return bad_input("seccomp.argument", "argument index " + std::to_string(arg.index),
                       "a system call has arguments 0 to 5", pointer + "/args");
    }
    const scmp_compare op = TRY(parse_operator(arg.op, pointer + "/args"));
    out.push_back({.arg = arg.index, .op = op, .datum_a = arg.value, .datum_b = arg.value_two});
  }
  return out;
}

// runc's reading, which engines' profiles rely on: an index that is named twice means "or".
std::vector<std::vector<scmp_arg_cmp>> alternatives(const std::vector<scmp_arg_cmp>& all) {
  std::set<unsigned> seen;
  const bool twice =
      std::ranges::any_of(all, [&](const auto& one) { return !seen.insert(one.arg).second; });
  if (!twice) return {all};
  std::vector<std::vector<scmp_arg_cmp>> out;
  for (const scmp_arg_cmp& one : all) out.push_back({one});
  return out;
}

// Newer than libseccomp 2.5.4. Since 424 a call has one number on all architectures.
constexpr std::pair<std::string_view, int> kNewer[] = {
    {"cachestat", 451},         {"fchmodat2", 452},        {"map_shadow_stack", 453},
    {"futex_wake", 454},        {"futex_wait", 455},       {"futex_requeue", 456},
    {"statmount", 457},         {"listmount", 458},        {"lsm_get_self_attr", 459},
    {"lsm_set_self_attr", 460}, {"lsm_list_modules", 461}, {"mseal", 462},
    {"setxattrat", 463},        {"getxattrat", 464},       {"listxattrat", 465},
    {"removexattrat", 466},     {"open_tree_attr", 467},   {"file_getattr", 468},
    {"file_setattr", 469}};

// __NR_SCMP_ERROR for a name to be left out: an engine's profile may be newer than this libseccomp.
// A filter of our own has no such name: what an administrator denies must not be allowed.
Result<int> number_of(const std::string& name, const Options& options, const std::string& pointer) {
  const int number = ::seccomp_syscall_resolve_name(name.c_str());
  if (number != __NR_SCMP_ERROR || !options.native_only) return number;
  const auto newer = std::ranges::find(kNewer, name, &std::pair<std::string_view, int>::first);
  if (newer != std::end(kNewer)) return newer->second;
  return unsupported("seccomp.unknown-call", "no number is known for system call " + name,
                     "take it out of the profile", pointer);
}

Status add_rule(void* context, const oci::SeccompRule& rule, const Options& options,
                std::uint32_t default_action, const std::string& pointer) {
  const std::uint32_t action = TRY(parse_action(rule.action, rule.errno_ret, pointer));
  const auto parsed = TRY(conditions(rule, pointer));
  if (action == default_action) return {};  // libseccomp takes no rule that changes nothing
  const auto alternative = alternatives(parsed);
  for (const std::string& name : rule.names) {
    const int number = TRY(number_of(name, options, pointer));
    if (number == __NR_SCMP_ERROR) continue;
    for (const auto& all : alternative) {
      const int code = ::seccomp_rule_add_array(context, action, number,
                                                static_cast<unsigned>(all.size()), all.data());
      if (code != 0) return library_error("add a rule for " + name, code, pointer);
    }
  }
  return {};
}

Result<std::vector<sock_filter>> export_program(void* context) {
  const UniqueFd memory(::memfd_create("seccomp", MFD_CLOEXEC));
  if (!memory) return sys_error("memfd_create");
  const int code = ::seccomp_export_bpf(context, memory.get());
  if (code != 0) return library_error("generate the filter", code, kPointer);
  const off_t size = ::lseek(memory.get(), 0, SEEK_END);
  if (size < 0) return sys_error("lseek");
  std::vector<sock_filter> program(static_cast<std::size_t>(size) / sizeof(sock_filter));
  const ssize_t got = ::pread(memory.get(), program.data(), static_cast<std::size_t>(size), 0);
  if (got != size) return sys_error("read the generated filter");
  return program;
}

// Only a filter that denies by default, and with another errno, needs the difference.
bool wants_enosys(std::uint32_t default_action) {
  return (default_action & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO &&
         (default_action & SECCOMP_RET_DATA) != ENOSYS;
}

std::vector<Newest> newest_calls(const oci::Seccomp& asked, const std::set<std::uint32_t>& tokens) {
  std::vector<Newest> out;
  for (const std::uint32_t token : tokens) {
    int newest = -1;
    for (const oci::SeccompRule& rule : asked.syscalls) {
      for (const std::string& name : rule.names) {
        newest = std::max(newest, ::seccomp_syscall_resolve_name_arch(token, name.c_str()));
      }
    }
    if (newest >= 0) out.push_back({token, static_cast<std::uint32_t>(newest)});
  }
  return out;
}

}  // namespace

Result<std::vector<sock_filter>> compile(const oci::Seccomp& asked, const Options& options) {
  if (!asked.listener_path.empty()) {
    return unsupported("seccomp.notify", "seccomp listener \"" + asked.listener_path + "\"",
                       "casemate hands no system call to another process to decide",
                       "/linux/seccomp/listenerPath");
  }
  const std::uint32_t default_action = TRY(parse_action(
      asked.default_action, asked.default_errno_ret, std::string(kPointer) + "/defaultAction"));
  const auto tokens = TRY(architectures(asked, options));
  const Context context = TRY(new_context(default_action, tokens));
  for (std::size_t i = 0; i < asked.syscalls.size(); ++i) {
    TRY(add_rule(context.get(), asked.syscalls[i], options, default_action, rule_pointer(i)));
  }
  auto program = TRY(export_program(context.get()));
  if (wants_enosys(default_action)) {
    const auto stub = enosys_stub(newest_calls(asked, tokens));
    program.insert(program.begin(), stub.begin(), stub.end());
  }
  if (program.size() > kMaxLength) {
    return bad_input("seccomp.too-large",
                     "a filter of " + std::to_string(program.size()) + " instructions",
                     "the kernel takes 4096: name fewer architectures or rules", kPointer);
  }
  return program;
}

Result<unsigned> load_flags(const oci::Seccomp& asked) {
  static const std::map<std::string, unsigned, std::less<>> known = {
      {"SECCOMP_FILTER_FLAG_TSYNC", SECCOMP_FILTER_FLAG_TSYNC},
      {"SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG},
      {"SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW},
  };
  unsigned flags = 0;
  for (std::size_t i = 0; i < asked.flags.size(); ++i) {
    const auto found = known.find(asked.flags[i]);
    if (found == known.end()) {
      return unsupported("seccomp.flag", "seccomp flag \"" + asked.flags[i] + "\"",
                         "leave it out; TSYNC, LOG and SPEC_ALLOW are known",
                         std::string(kPointer) + "/flags/" + std::to_string(i));
    }
    flags |= found->second;
  }
  return flags;
}

}  // namespace casemate::seccomp
