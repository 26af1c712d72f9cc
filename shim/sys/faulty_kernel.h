// FaultyKernel makes chosen calls fail, or claim success and do nothing. A test runs its subject
// once to count the calls and then once for each of them: whichever call fails, nothing may be left
// behind, and whichever one lies, the read-back must notice.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "shim/sys/intercepting_kernel.h"

namespace casemate::sys {

class FaultyKernel final : public InterceptingKernel {
 public:
  explicit FaultyKernel(Kernel& inner) : InterceptingKernel(inner) {}

  // Calls are numbered from 1 in the order they are made. A clone3 is never pretended: it is made.
  void fail_call(std::size_t number, int error);
  void pretend_call(std::size_t number);
  // Every call of that name ("openat2"; the name of the system call, so "fsconfig" for all four);
  // for a call chosen by its number as well, the number decides.
  void fail_every(const std::string& call, int error);
  void pretend_every(const std::string& call);
  // Forgets the faults and begins to count anew.
  void reset();

  std::size_t calls() const { return made_.size(); }
  // The calls so far with their arguments, for the message of a test that fails at call n.
  const std::vector<std::string>& made() const { return made_; }

  Verdict decide(std::string_view call, const std::string& arguments) override;

 private:
  std::map<std::size_t, Verdict> by_number_;
  std::map<std::string, Verdict, std::less<>> by_name_;
  std::vector<std::string> made_;
};

}  // namespace casemate::sys
