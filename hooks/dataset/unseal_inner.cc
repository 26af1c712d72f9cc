// The inner process' work: from a sealed file and keys to files in a directory.
#include <sys/stat.h>
#include <unistd.h>

#include "hooks/dataset/extract.h"
#include "hooks/dataset/file_io.h"
#include "hooks/dataset/locked_arena.h"
#include "hooks/dataset/unseal.h"

namespace casemate::dataset {
namespace {

constexpr std::size_t kMaxKeyFile = 16 * 1024;
constexpr std::uint64_t kMemoryReserve = std::uint64_t{64} << 20;

Result<HostKey> read_host_key(const std::string& kid, int fd) {
  struct stat facts{};
  if (::fstat(fd, &facts) != 0) return sys_error("look at the key file of " + kid);
  const bool usable = S_ISREG(facts.st_mode) && facts.st_size > 0 &&
                      static_cast<std::size_t>(facts.st_size) <= kMaxKeyFile;
  if (!usable)
    return bad_input("dataset.key-format", "the key file of " + kid + " is no key file",
                     "it must be a JWK as `casectl dataset keygen` writes it");
  if ((facts.st_mode & 077) != 0)
    return denied("dataset.key-file", "the key file of " + kid + " can be read by others",
                  "chmod 600 it, and consider the key exposed");
  auto text = TRY(SecretBytes::allocate(static_cast<std::size_t>(facts.st_size)));
  TRY(read_at(fd, {text.data(), text.size()}, 0));
  JsonPtr key = TRY(parse_exchange_key({text.data(), text.size()}, /*need_private=*/true));
  return HostKey{kid, std::move(key)};
}

Status check_memory(const Index& index, const Expected& expected, std::uint64_t available) {
  if (index.page_bytes() > expected.max_bytes)
    return denied("dataset.size",
                  "the dataset's files take " + std::to_string(index.page_bytes()) +
                      " bytes of memory, allowed are " + std::to_string(expected.max_bytes),
                  "raise the profile's limit or use a smaller dataset");
  if (available < kMemoryReserve || index.page_bytes() > available - kMemoryReserve)
    return denied("dataset.memory",
                  "the dataset's files take " + std::to_string(index.page_bytes()) +
                      " bytes of memory, free are " + std::to_string(available),
                  "wait for other jobs to end or use a larger host");
  return {};
}

Json report(const Unlocked& unlocked, const Extracted& done) {
  const Manifest& m = unlocked.manifest;
  const double gib = static_cast<double>(done.bytes) / (1U << 30);
  return {{"id", m.dataset},
          {"tenant", m.tenant},
          {"serial", m.serial},
          {"criticality", to_string(m.criticality)},
          {"slot", unlocked.slot},
          {"signer", unlocked.signer},
          {"file", to_base64url(m.file)},
          {"files", done.files},
          {"bytes", done.bytes},
          {"seconds", done.seconds},
          {"gibPerSecond", done.seconds > 0 ? gib / done.seconds : 0.0},
          {"cipher", done.engine}};
}

}  // namespace

Result<Json> unseal_into(const UnsealRequest& request, int sealed, std::span<const UniqueFd> keys,
                         int directory, std::uint64_t available) {
  TRY(use_locked_json());
  std::vector<HostKey> host_keys;
  for (std::size_t i = 0; i < keys.size(); ++i)
    host_keys.push_back(TRY(read_host_key(request.kids[i], keys[i].get())));
  const SealedFile file = TRY(SealedFile::open(sealed));
  const Unlocked unlocked = TRY(unlock(file, host_keys, request.tenant_keys));
  host_keys.clear();
  TRY(check_release(unlocked.manifest, request.expected));
  const auto tags = TRY(read_tags(file, unlocked.layout));
  const Index index = TRY(read_index(file, unlocked, tags, request.engine));
  TRY(check_memory(index, request.expected, available));
  const Extracted done = TRY(extract(file, unlocked, index, tags, directory,
                                     {.engine = request.engine, .threads = request.threads}));
  return report(unlocked, done);
}

}  // namespace casemate::dataset
