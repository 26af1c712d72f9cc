// console SOCKET FILE: listens as an engine does for one terminal's master, copies what the
// terminal says to FILE until its other side is closed, and ends well only if there was a terminal.
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int receive_descriptor(int connection) {
  char text[64];
  union {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr alignment;
  } control;
  struct iovec part = {text, sizeof text};
  struct msghdr message = {.msg_iov = &part,
                           .msg_iovlen = 1,
                           .msg_control = control.bytes,
                           .msg_controllen = sizeof control.bytes};
  if (recvmsg(connection, &message, 0) <= 0) return -1;
  const struct cmsghdr* head = CMSG_FIRSTHDR(&message);
  if (head == NULL || head->cmsg_type != SCM_RIGHTS) return -1;
  int fd;
  memcpy(&fd, CMSG_DATA(head), sizeof fd);
  return fd;
}

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s", argv[1]);
  const int listener = socket(AF_UNIX, SOCK_STREAM, 0);
  if (bind(listener, (struct sockaddr*)&address, sizeof address) != 0 || listen(listener, 1) != 0)
    return 3;
  const int master = receive_descriptor(accept(listener, NULL, NULL));
  FILE* out = fopen(argv[2], "w");
  if (master < 0 || !isatty(master) || out == NULL) return 4;
  char bytes[4096];
  for (ssize_t got; (got = read(master, bytes, sizeof bytes)) > 0;)
    fwrite(bytes, 1, (size_t)got, out);
  return fclose(out);
}
