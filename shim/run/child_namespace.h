// Pid and time namespaces are entered by children only: the parent steps in for one clone3(2) and
// back again, so that all else it does stays on the host's side.
#pragma once

#include "shim/base/result.h"
#include "shim/base/unique_fd.h"
#include "shim/sys/kernel.h"

namespace casemate::run {

class ChildNamespace {
 public:
  ChildNamespace(sys::Kernel& kernel, int flag) : kernel_(kernel), flag_(flag) {}
  // `own`: the namespace's link in /proc/self/ns, to which the destructor goes back.
  Status remember(const char* own);
  // In the child, which is to stay where it was born.
  void stay() { own_.reset(); }
  ~ChildNamespace() {
    if (own_) static_cast<void>(kernel_.setns(own_.get(), flag_));
  }
  ChildNamespace(const ChildNamespace&) = delete;
  ChildNamespace& operator=(const ChildNamespace&) = delete;

 private:
  sys::Kernel& kernel_;
  int flag_;
  UniqueFd own_;
};

}  // namespace casemate::run
