// What a hostile image's program tries from inside the container: built statically when the test runs,
// without a C library's start-up, so that it can stand in for the dynamic loader too.
//
// probe fds        the numbers of all open descriptors
// probe calls      NAME RESULT for each dangerous system call: 0 or higher is a success, else -errno
// probe foreign    the same for system calls of other ABIs; "killed" when the kernel ended the caller
// probe exe        tries to open the running program for writing, in every way there is
// probe watch      until killed: tries the same on every other process that appears in /proc, and to
//                  read what their descriptors, roots and working directories lead to
// probe trace      until killed: traces every other process that appears; says whether it was a program
//                  of the image ("traced-own") or something before that ("traced-foreign")
#include <asm/unistd_64.h>

typedef long Word;

static Word call(Word number, Word a, Word b, Word c, Word d, Word e) {
  register Word r10 __asm__("r10") = d;
  register Word r8 __asm__("r8") = e;
  Word result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
                   : "rcx", "r11", "memory");
  return result;
}

static Word call32(Word number, Word a, Word b, Word c) {
  Word result;
  __asm__ volatile("int $0x80"
                   : "=a"(result)
                   : "a"(number), "b"(a), "c"(b), "d"(c)
                   : "r8", "r9", "r10", "r11", "memory");
  return result;
}

static int same(const char* left, const char* right) {
  while (*left && *left == *right) ++left, ++right;
  return *left == *right;
}

static char* put(char* at, const char* text) {
  while (*text) *at++ = *text++;
  *at = 0;
  return at;
}

static char* put_number(char* at, Word value) {
  char digits[24];
  int count = 0;
  if (value < 0) *at++ = '-', value = -value;
  do digits[count++] = (char)('0' + value % 10), value /= 10;
  while (value);
  while (count) *at++ = digits[--count];
  *at = 0;
  return at;
}

static void say(const char* text, Word value) {
  char line[160];
  char* end = put(line, text);
  *end++ = ' ';
  end = put_number(end, value);
  *end++ = '\n';
  call(__NR_write, 1, (Word)line, end - line, 0, 0);
}

enum { kReadOnly = 0, kWriteOnly = 1, kTruncate = 01000, kPath = 010000000 };

static Word open_path(const char* path, Word flags) {
  return call(__NR_open, (Word)path, flags, 0, 0, 0);
}

static void list_descriptors(void) {
  for (Word fd = 0; fd < 4096; ++fd)
    if (call(__NR_fcntl, fd, 1, 0, 0, 0) >= 0) say("fd", fd);
}

static void try_calls(void) {
  static const struct {
    const char* name;
    Word number, a, b, c, d, e;
  } kTries[] = {
      {"socket-alg", __NR_socket, 38, 5, 0, 0, 0},
      {"socket-alg-high-bits", __NR_socket, (Word)(1UL << 32 | 38), 5, 0, 0, 0},
      {"socket-vsock", __NR_socket, 40, 1, 0, 0, 0},
      {"socket-packet", __NR_socket, 17, 3, 0, 0, 0},
      {"socket-xdp", __NR_socket, 44, 3, 0, 0, 0},
      {"socket-key", __NR_socket, 15, 3, 2, 0, 0},
      {"socketpair-alg", __NR_socketpair, 38, 5, 0, 0, 0},
      {"io_uring_setup", __NR_io_uring_setup, 1, 0, 0, 0, 0},
      {"keyctl", __NR_keyctl, 0, -3, 0, 0, 0},
      {"add_key", __NR_add_key, 0, 0, 0, 0, -3},
      {"bpf", __NR_bpf, 0, 0, 0, 0, 0},
      {"userfaultfd", __NR_userfaultfd, 0, 0, 0, 0, 0},
      {"userfaultfd-user-mode", __NR_userfaultfd, 1, 0, 0, 0, 0},
      {"perf_event_open", __NR_perf_event_open, 0, 0, -1, -1, 0},
      {"open_by_handle_at", __NR_open_by_handle_at, -100, 0, 0, 0, 0},
      {"mount", __NR_mount, (Word) "x", (Word) "/tmp", (Word) "tmpfs", 0, 0},
      {"fsopen", __NR_fsopen, (Word) "tmpfs", 0, 0, 0, 0},
      {"open_tree", __NR_open_tree, -100, (Word) "/", 1, 0, 0},
      {"move_mount", __NR_move_mount, 0, 0, 0, 0, 0},
      {"pivot_root", __NR_pivot_root, (Word) "/", (Word) "/", 0, 0, 0},
      {"setns", __NR_setns, 0, 0, 0, 0, 0},
      {"unshare-user", __NR_unshare, 0x10000000, 0, 0, 0, 0},
      {"unshare-mount", __NR_unshare, 0x00020000, 0, 0, 0, 0},
      {"clone3", __NR_clone3, 0, 0, 0, 0, 0},
      {"kexec_load", __NR_kexec_load, 0, 0, 0, 0, 0},
      {"init_module", __NR_init_module, 0, 0, 0, 0, 0},
      {"tiocsti", __NR_ioctl, 0, 0x5412, (Word) "x", 0, 0},
      {"tiocsti-high-bits", __NR_ioctl, 0, (Word)(1UL << 32 | 0x5412), (Word) "x", 0, 0},
      {"tioclinux", __NR_ioctl, 0, 0x541c, (Word) "\2", 0, 0},
      {"tioclinux-high-bits", __NR_ioctl, 0, (Word)(0xffffffff0000541c), (Word) "\2", 0, 0},
      {"mknod-disk", __NR_mknod, (Word) "/tmp/disk", 060600, 0x800, 0, 0},
      {"open-core-pattern", __NR_open, (Word) "/proc/sys/kernel/core_pattern", kWriteOnly, 0, 0, 0},
      {"open-sysrq", __NR_open, (Word) "/proc/sysrq-trigger", kWriteOnly, 0, 0, 0},
  };
  for (unsigned i = 0; i < sizeof kTries / sizeof *kTries; ++i)
    say(kTries[i].name,
        call(kTries[i].number, kTries[i].a, kTries[i].b, kTries[i].c, kTries[i].d, kTries[i].e));
}

// In a child, since a filter may end the caller.
static void try_foreign(const char* name, Word (*attempt)(void)) {
  const Word child = call(__NR_fork, 0, 0, 0, 0, 0);
  if (child == 0) {
    say(name, attempt());
    call(__NR_exit_group, 0, 0, 0, 0, 0);
  }
  int status = 0;
  call(__NR_wait4, child, (Word)&status, 0, 0, 0);
  if ((status & 0x7f) != 0) say("killed", status & 0x7f);
}

static Word socketcall_alg(void) {
  // The 32-bit ABI reads its arguments below 4 GiB: the page is asked for there (MAP_32BIT).
  unsigned* arguments = (unsigned*)call(__NR_mmap, 0, 4096, 3, 0x62, -1);
  arguments[0] = 38, arguments[1] = 5, arguments[2] = 0;
  return call32(102, 1, (Word)arguments, 0);
}
static Word x32_alg(void) { return call(0x40000000 | __NR_socket, 38, 5, 0, 0, 0); }
static Word int80_mount(void) { return call32(21, 0, 0, 0); }

static char* fd_path(char* out, Word fd) {
  put_number(put(out, "/proc/self/fd/"), fd);
  return out;
}

static void try_write_exe(const char* path) {
  char again[64];
  say("exe-write", open_path(path, kWriteOnly));
  say("exe-truncate", open_path(path, kWriteOnly | kTruncate));
  const Word handle = open_path(path, kPath);
  if (handle < 0) return;
  say("exe-reopen", open_path(fd_path(again, handle), kWriteOnly));
  say("exe-reopen-truncate", open_path(fd_path(again, handle), kWriteOnly | kTruncate));
  call(__NR_close, handle, 0, 0, 0, 0);
}

static Word read_link(const char* path, char* target, Word size) {
  const Word length = call(__NR_readlink, (Word)path, (Word)target, size - 1, 0, 0);
  target[length < 0 ? 0 : length] = 0;
  return length;
}

static int is_busybox(const char* path) {
  char target[64];
  read_link(path, target, sizeof target);
  return same(target, "/bin/busybox");
}

// Whatever can be opened below /proc/PID of another process is a finding. `held` stays open: once its
// program has ended, ETXTBSY no longer protects the file.
static void look_into(Word pid, Word* held) {
  static const char* const kWays[] = {"/root", "/cwd", "/fd/3", "/fd/4", "/fd/5", "/fd/6", "/fd/7", "/mem"};
  char path[64], again[64];
  for (unsigned i = 0; i < sizeof kWays / sizeof *kWays; ++i) {
    put(put_number(put(path, "/proc/"), pid), kWays[i]);
    const Word found = open_path(path, kReadOnly);
    if (found < 0) continue;
    say(path, found);
    call(__NR_close, found, 0, 0, 0, 0);
  }
  put(put_number(put(path, "/proc/"), pid), "/exe");
  if (is_busybox(path)) return;  // the other container's own program: whoever shares its pids may
  if (*held >= 0 && open_path(fd_path(again, *held), kWriteOnly | kTruncate) >= 0) say("exe-overwritten", pid);
  const Word program = open_path(path, kPath);
  if (program < 0) return;
  if (*held >= 0) call(__NR_close, *held, 0, 0, 0, 0);
  *held = program;
}

static void watch(void) {
  Word held = -1;
  say("watching", call(__NR_getpid, 0, 0, 0, 0, 0));
  for (;;)
    for (Word pid = 2; pid < 400; ++pid) look_into(pid, &held);
}

enum { kSeize = 0x4206, kInterrupt = 0x4207, kDetach = 17, kAnyChild = 0x40000000 };

// Whoever was traced before it executed its program shows another executable, or one that cannot be seen.
// Who is about to end has none any more (ENOENT): that is no finding.
static void trace(Word pid) {
  char path[64], target[64];
  if (call(__NR_ptrace, kSeize, pid, 0, 0, 0) < 0) return;
  put(put_number(put(path, "/proc/"), pid), "/exe");
  const int own = read_link(path, target, sizeof target) == -2 || same(target, "/bin/busybox");
  call(__NR_ptrace, kInterrupt, pid, 0, 0, 0);
  call(__NR_wait4, pid, 0, kAnyChild, 0, 0);
  call(__NR_ptrace, kDetach, pid, 0, 0, 0);
  say(own ? "traced-own" : "traced-foreign", pid);
}

static void trace_all(void) {
  say("tracing", call(__NR_getpid, 0, 0, 0, 0, 0));
  for (;;)
    for (Word pid = 2; pid < 400; ++pid) trace(pid);
}

static void run(const char* what) {
  if (same(what, "trace")) trace_all();
  if (same(what, "fds")) list_descriptors();
  if (same(what, "calls")) try_calls();
  if (same(what, "exe")) try_write_exe("/proc/self/exe");
  if (same(what, "watch")) watch();
  if (!same(what, "foreign")) return;
  try_foreign("int80-socketcall-alg", socketcall_alg);
  try_foreign("int80-mount", int80_mount);
  try_foreign("x32-socket-alg", x32_alg);
}

// As the dynamic loader of another program it knows no arguments of its own.
__attribute__((used)) static void start(Word* stack) {
  const Word count = stack[0];
  char** arguments = (char**)(stack + 1);
  run(count == 2 ? arguments[1] : "exe");
  call(__NR_exit_group, 0, 0, 0, 0, 0);
}

__asm__(".globl _start\n_start: xor %ebp, %ebp\n mov %rsp, %rdi\n and $-16, %rsp\n call start\n");
