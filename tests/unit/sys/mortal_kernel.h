// A kernel under which a process ends, as by SIGKILL, before one of its calls.
#pragma once

#include <unistd.h>

#include "shim/sys/intercepting_kernel.h"

namespace casemate::sys {

class MortalKernel final : public InterceptingKernel {
 public:
  explicit MortalKernel(Kernel& inner) : InterceptingKernel(inner) {}

  // Calls are counted from now on, from 1.
  void die_at(std::size_t call) { left_ = call; }

 private:
  Verdict decide(std::string_view, const std::string&) override {
    if (left_ > 0 && --left_ == 0) ::_exit(9);
    return {};
  }

  std::size_t left_ = 0;  // 0: immortal
};

}  // namespace casemate::sys
