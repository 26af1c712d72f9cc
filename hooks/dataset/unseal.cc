#include "hooks/dataset/unseal.h"

#include <linux/capability.h>
#include <openssl/crypto.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "hooks/confine/confine.h"
#include "hooks/dataset/data_mount.h"
#include "shim/fs/host_file.h"
#include "shim/fs/wipe.h"
#include "shim/sys/inherited.h"

namespace casemate::dataset {
namespace {

constexpr std::size_t kReplyLimit = 64 * 1024;

// What decrypting into files needs beyond what every helper may do.
const confine::Allowance& allowance() {
  static const confine::Allowance kAllowance = {
      .threads = true,
      .capabilities = std::uint64_t{1}
                      << CAP_IPC_LOCK,  // to lock its memory, whatever the limits say
      .also = {SYS_openat, SYS_mkdirat, SYS_ftruncate, SYS_pwrite64, SYS_fchmod, SYS_utimensat,
               SYS_fadvise64, SYS_memfd_secret, SYS_mlock, SYS_mlockall}};
  return kAllowance;
}

Result<std::uint64_t> available_memory(sys::Kernel& kernel) {
  const std::string text = TRY(fs::read_file(kernel, "/proc/meminfo", 64 * 1024));
  constexpr std::string_view kKey = "MemAvailable:";
  const auto at = text.find(kKey);
  if (at == std::string::npos)
    return internal("dataset.memory", "/proc/meminfo has no MemAvailable");
  const auto number = text.find_first_not_of(' ', at + kKey.size());
  std::uint64_t kib = 0;
  std::from_chars(text.data() + std::min(number, text.size()), text.data() + text.size(), kib);
  return kib * 1024;
}

Status harden(sys::Kernel& kernel) {
  TRY(kernel.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0));
  TRY(kernel.setrlimit(RLIMIT_CORE, rlimit{0, 0}));
  return {};
}

// Becomes the job's user, inside the empty mount, with nothing but what it needs.
Status lock_in(sys::Kernel& kernel, const UnsealRequest& request, int directory, pid_t parent) {
  // Before the root goes away and the filter comes. OpenSSL reads no configuration.
  ::OPENSSL_init_crypto(
      OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_ADD_ALL_CIPHERS | OPENSSL_INIT_ADD_ALL_DIGESTS,
      nullptr);
  TRY(kernel.fchdir(directory));
  if (::chroot(".") != 0) return sys_error("chroot into the data mount");
  TRY(kernel.setgroups({}));
  TRY(kernel.setresgid(request.gid));
  TRY(kernel.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0));
  TRY(kernel.setresuid(request.uid));
  TRY(kernel.prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0));
  if (::getppid() != parent) return internal("helper.died", "the outer process is gone");
  TRY(confine::confine(allowance()));
  // No page of this process, its buffers of plaintext included, may reach a swap device.
  if (::mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0)
    return sys_error("lock the memory of the decrypting process");
  return {};
}

struct Work {
  const UnsealRequest& request;
  int sealed;
  std::span<const UniqueFd> keys;
  int directory;
  std::uint64_t available;
};

Result<Json> inner(sys::Kernel& kernel, const Work& work, int socket, pid_t parent) {
  std::vector<int> keep = {work.sealed, work.directory, socket};
  for (const auto& key : work.keys) keep.push_back(key.get());
  TRY(sys::close_all_but(kernel, std::move(keep)));
  TRY(lock_in(kernel, work.request, work.directory, parent));
  return unseal_into(work.request, work.sealed, work.keys, work.directory, work.available);
}

[[noreturn]] void run_inner(sys::Kernel& kernel, const Work& work, int socket, pid_t parent) {
  const auto done = inner(kernel, work, socket, parent);
  const Json reply = done ? Json{{"ok", *done}} : Json{{"error", sys::error_to_json(done.error())}};
  const auto sent = kernel.send(socket, dump(reply), {});
  ::_exit(sent ? 0 : 1);
}

// The inner process' word, once it has ended: a reply alone does not prove that its keys are gone.
Result<Json> await(sys::Kernel& kernel, int socket, pid_t child) {
  const auto reply = kernel.recv(socket, kReplyLimit);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  if (!reply) return std::unexpected(reply.error());
  if (reply->bytes.empty() || status != 0)
    return internal("dataset.died",
                    "the decrypting process ended without a result" +
                        (WIFSIGNALED(status) ? ", by signal " + std::to_string(WTERMSIG(status))
                                             : std::string()),
                    "look for a lack of memory in the kernel's log");
  const Json json = TRY(parse_json(reply->bytes));
  if (const auto error = json.find("error"); error != json.end())
    return std::unexpected(sys::error_from_json(*error));
  const auto ok = json.find("ok");
  if (ok == json.end() || !ok->is_object())
    return internal("helper.reply", "the decrypting process' reply makes no sense");
  return *ok;
}

Result<Json> decrypt(sys::Kernel& kernel, const Work& work) {
  auto [ours, theirs] = TRY(kernel.socketpair(SOCK_SEQPACKET));
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) return sys_error("fork the decrypting process");
  if (child == 0) run_inner(kernel, work, theirs.get(), parent);
  theirs.reset();
  return await(kernel, ours.get(), child);
}

Result<sys::HelperMessage> fill(sys::Kernel& kernel, const DataMount& mount, const Work& work) {
  Json report = TRY(decrypt(kernel, work));
  UniqueFd job = TRY(finish_data_mount(kernel, mount, work.request.mode));
  report["noswap"] = mount.noswap;
  report["huge"] = mount.huge ? "within_size" : "never";
  sys::HelperMessage reply;
  reply.body = {{"dataset", std::move(report)}};
  reply.fds.push_back(std::move(job));
  return reply;
}

}  // namespace

Result<sys::HelperMessage> unseal(sys::Kernel& kernel, sys::HelperMessage message,
                                  const sys::HandOver& hand_over) {
  const UnsealRequest request = TRY(parse_unseal_request(message.body));
  if (message.fds.size() != request.kids.size() + 1)
    return bad_input("dataset.request", "expected the sealed file and one descriptor for each key");
  TRY(harden(kernel));
  const std::uint64_t available = TRY(available_memory(kernel));
  TRY(enter_private_mounts(kernel));
  const DataMount mount = TRY(
      make_data_mount(kernel, request.expected.max_bytes, request.uid, request.gid, request.label));
  {
    const UniqueFd holder = TRY(clone_for_holder(kernel, mount));
    const int fds[] = {holder.get()};
    TRY(hand_over("mount", fds));
  }
  const Work work{request, message.fds[0].get(), std::span(message.fds).subspan(1),
                  mount.root.get(), available};
  auto reply = fill(kernel, mount, work);
  if (reply) return reply;
  // Part of the plaintext may be there: it goes the way a job's data goes.
  const auto wiped = fs::wipe_tree(kernel, mount.root.get());
  if (!wiped)
    return std::unexpected(Error(wiped.error()).with_context("wipe after " + reply.error().rule));
  return reply;
}

}  // namespace casemate::dataset
