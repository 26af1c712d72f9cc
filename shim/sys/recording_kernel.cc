#include "shim/sys/recording_kernel.h"

namespace casemate::sys {

std::string RecordingKernel::text() const {
  std::string out;
  for (const auto& line : lines_) out += line + "\n";
  return out;
}

InterceptingKernel::Verdict RecordingKernel::decide(std::string_view call,
                                                    const std::string& arguments) {
  std::string line(call);
  if (!arguments.empty()) line += " " + arguments;
  lines_.push_back(std::move(line));
  return {.kind = calls_ == Calls::pretended ? Verdict::pretend : Verdict::forward};
}

}  // namespace casemate::sys
