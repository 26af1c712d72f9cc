// casemate-systemd: asks systemd for a container's unit. Started by shim/systemd/manager.h.
#include "shim/systemd/helper/answer.h"

int main() {
  return casemate::sys::serve_helper(casemate::sdbus::answer);
}
