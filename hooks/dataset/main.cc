// casemate-unseal: see unseal.h.
#include "hooks/dataset/unseal.h"
#include "shim/sys/real_kernel.h"

int main() {
  casemate::sys::RealKernel kernel;
  return casemate::sys::serve_helper(
      [&](casemate::sys::HelperMessage request, const casemate::sys::HandOver& hand_over) {
        return casemate::dataset::unseal(kernel, std::move(request), hand_over);
      });
}
