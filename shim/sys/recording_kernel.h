// RecordingKernel writes down every call, one line each ("mkdirat etc 0755"): golden traces.
// Descriptors and pids are left out, so equal work gives equal lines.
#pragma once

#include <string>
#include <vector>

#include "shim/sys/intercepting_kernel.h"

namespace casemate::sys {

class RecordingKernel final : public InterceptingKernel {
 public:
  enum class Calls {
    forwarded,  // to the inner kernel
    pretended,  // nothing happens but clone3; every call succeeds with an empty answer
  };
  explicit RecordingKernel(Kernel& inner, Calls calls = Calls::forwarded)
      : InterceptingKernel(inner), calls_(calls) {}

  const std::vector<std::string>& lines() const { return lines_; }
  std::string text() const;  // the lines, each ended by a newline
  void clear() { lines_.clear(); }

  Verdict decide(std::string_view call, const std::string& arguments) override;

 private:
  Calls calls_;
  std::vector<std::string> lines_;
};

}  // namespace casemate::sys
