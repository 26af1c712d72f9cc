#include <algorithm>
#include <array>

#include "shim/oci/parse_detail.h"

namespace casemate::oci::detail {
namespace {

Status check_action(const std::string& action, const std::string& pointer) {
  static constexpr std::array kServed = {
      "SCMP_ACT_KILL",  "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_TRAP",
      "SCMP_ACT_ERRNO", "SCMP_ACT_TRACE",        "SCMP_ACT_ALLOW",       "SCMP_ACT_LOG"};
  if (action == "SCMP_ACT_NOTIFY")
    return unsupported("oci.seccomp-notify", "SCMP_ACT_NOTIFY is not served",
                       "use a filter without user notification", pointer);
  if (std::ranges::find(kServed, action) == kServed.end())
    return bad_input("oci.seccomp-action", "seccomp action \"" + printable(action) + "\"", {},
                     pointer);
  return {};
}

Result<SeccompArg> parse_arg(JsonObject object) {
  static constexpr std::array kOperators = {"SCMP_CMP_NE",       "SCMP_CMP_LT", "SCMP_CMP_LE",
                                            "SCMP_CMP_EQ",       "SCMP_CMP_GE", "SCMP_CMP_GT",
                                            "SCMP_CMP_MASKED_EQ"};
  SeccompArg arg;
  const auto index = TRY(object.get<std::uint64_t>("index"));
  if (index > 5)
    return bad_input("oci.seccomp-arg", "a system call has arguments 0 to 5", {},
                     object.pointer_to("index"));
  arg.index = static_cast<std::uint32_t>(index);
  arg.value = TRY(object.get<std::uint64_t>("value"));
  arg.value_two = TRY(object.get_or<std::uint64_t>("valueTwo", 0));
  arg.op = TRY(object.get<std::string>("op"));
  if (std::ranges::find(kOperators, arg.op) == kOperators.end())
    return bad_input("oci.seccomp-arg", "comparison \"" + printable(arg.op) + "\"", {},
                     object.pointer_to("op"));
  return arg;
}

Result<SeccompRule> parse_rule(JsonObject object) {
  SeccompRule rule;
  rule.names = TRY(object.get<std::vector<std::string>>("names"));
  if (rule.names.empty())
    return bad_input("oci.seccomp-names", "a seccomp rule without system calls", {},
                     object.pointer_to("names"));
  rule.action = TRY(object.get<std::string>("action"));
  TRY(check_action(rule.action, object.pointer_to("action")));
  rule.errno_ret = TRY(find_u32(object, "errnoRet"));
  for (auto& arg : TRY(object.objects("args"))) rule.args.push_back(TRY(parse_arg(arg)));
  return rule;
}

}  // namespace

Result<Seccomp> parse_seccomp(JsonObject object) {
  Seccomp out;
  out.default_action = TRY(object.get<std::string>("defaultAction"));
  TRY(check_action(out.default_action, object.pointer_to("defaultAction")));
  out.default_errno_ret = TRY(find_u32(object, "defaultErrnoRet"));
  out.architectures = TRY(object.get_or<std::vector<std::string>>("architectures", {}));
  out.flags = TRY(object.get_or<std::vector<std::string>>("flags", {}));
  TRY(refuse_property(object, "listenerPath", "use a filter without user notification"));
  for (auto& rule : TRY(object.objects("syscalls"))) out.syscalls.push_back(TRY(parse_rule(rule)));
  return out;
}

}  // namespace casemate::oci::detail
