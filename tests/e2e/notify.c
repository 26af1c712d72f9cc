// Both ends of sd_notify(3) for the tests.
//   notify send TEXT FD…   says TEXT to $NOTIFY_SOCKET, with the descriptors, as a service does
//   notify listen PATH     prints what is said to PATH, a message a line, as a service manager does
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

static struct sockaddr_un address_of(const char* path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  return address;
}

static int send_to_manager(const char* text, int fds, char** numbers) {
  const char* path = getenv("NOTIFY_SOCKET");
  if (path == NULL) return 3;
  struct sockaddr_un address = address_of(path);
  union {
    char bytes[CMSG_SPACE(8 * sizeof(int))];
    struct cmsghdr alignment;
  } control = {{0}};
  struct iovec part = {(void*)text, strlen(text)};
  struct msghdr message = {
      .msg_name = &address, .msg_namelen = sizeof address, .msg_iov = &part, .msg_iovlen = 1};
  if (fds > 0 && fds <= 8) {
    message.msg_control = control.bytes;
    message.msg_controllen = CMSG_SPACE(fds * sizeof(int));
    struct cmsghdr* head = CMSG_FIRSTHDR(&message);
    *head = (struct cmsghdr){
        .cmsg_len = CMSG_LEN(fds * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    for (int i = 0; i < fds; ++i) ((int*)(void*)CMSG_DATA(head))[i] = atoi(numbers[i]);
  }
  const int socket_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (sendmsg(socket_fd, &message, 0) >= 0) return 0;
  perror(path);
  return 1;
}

static int listen_for(const char* path) {
  struct sockaddr_un address = address_of(path);
  const int socket_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (bind(socket_fd, (struct sockaddr*)&address, sizeof address) != 0) return 1;
  char text[4096];
  for (;;) {
    const ssize_t got = recv(socket_fd, text, sizeof text, 0);
    if (got < 0) return 1;
    for (ssize_t i = 0; i < got; ++i) putchar(text[i] == '\n' ? ' ' : text[i]);
    putchar('\n');
    fflush(stdout);
  }
}

int main(int argc, char** argv) {
  if (argc >= 3 && strcmp(argv[1], "send") == 0)
    return send_to_manager(argv[2], argc - 3, argv + 3);
  if (argc == 3 && strcmp(argv[1], "listen") == 0) return listen_for(argv[2]);
  return 2;
}
