#include "shim/sys/faulty_kernel.h"

namespace casemate::sys {

void FaultyKernel::fail_call(std::size_t number, int error) {
  by_number_[number] = {.kind = Verdict::fail, .error = error};
}

void FaultyKernel::pretend_call(std::size_t number) {
  by_number_[number] = {.kind = Verdict::pretend};
}

void FaultyKernel::fail_every(const std::string& call, int error) {
  by_name_[call] = {.kind = Verdict::fail, .error = error};
}

void FaultyKernel::pretend_every(const std::string& call) {
  by_name_[call] = {.kind = Verdict::pretend};
}

void FaultyKernel::reset() {
  by_number_.clear();
  by_name_.clear();
  made_.clear();
}

InterceptingKernel::Verdict FaultyKernel::decide(std::string_view call,
                                                 const std::string& arguments) {
  made_.push_back(std::string(call) + (arguments.empty() ? "" : " ") + arguments);
  if (const auto chosen = by_number_.find(made_.size()); chosen != by_number_.end())
    return chosen->second;
  if (const auto chosen = by_name_.find(call); chosen != by_name_.end()) return chosen->second;
  return {};
}

}  // namespace casemate::sys
