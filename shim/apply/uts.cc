#include <algorithm>

#include "shim/apply/steps.h"

namespace casemate::apply {
namespace {

// procfs ends values with a line feed and separates several with tabs.
std::string normalised(std::string_view value) {
  std::string out(value);
  while (!out.empty() && (out.back() == '\n' || out.back() == ' ')) out.pop_back();
  std::replace(out.begin(), out.end(), '\t', ' ');
  return out;
}

Status expect_sysctl(InitContext& context, const std::string& file, const std::string& value) {
  const std::string found = TRY(context.proc->read("sys/" + file));
  if (normalised(found) == normalised(value)) return {};
  return internal("readback.sysctl",
                  file + " reads \"" + normalised(found) + "\" instead of \"" + value + "\"");
}

}  // namespace

Status apply(InitContext& context, const plan::SetHostname& step) {
  if (!step.hostname.empty()) {
    TRY(context.kernel.sethostname(step.hostname));
    TRY(expect_sysctl(context, "kernel/hostname", step.hostname));
  }
  if (!step.domainname.empty()) {
    TRY(context.kernel.setdomainname(step.domainname));
    TRY(expect_sysctl(context, "kernel/domainname", step.domainname));
  }
  return {};
}

// "net.ipv4.ip_forward" or "net/ipv4/conf/eth0.100/forwarding": the separator that stands first is
// the separator (sysctl(8)).
Status apply(InitContext& context, const plan::WriteSysctl& step) {
  std::string file = step.key;
  const auto separator = file.find_first_of("./");
  if (separator != std::string::npos && file[separator] == '.')
    for (char& c : file) c = c == '.' ? '/' : c == '/' ? '.' : c;
  TRY(context.proc->write("sys/" + file, step.value));
  return expect_sysctl(context, file, step.value);
}

}  // namespace casemate::apply
