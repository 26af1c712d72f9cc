#include "hooks/dataset/sealed_file.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstring>

#include "hooks/dataset/file_io.h"

namespace casemate::dataset {
namespace {

std::unexpected<Error> tampered(std::string what) {
  return bad_input("dataset.tampered", std::move(what),
                   "the file was altered or damaged: fetch it again");
}

bool all_zero(std::span<const unsigned char> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](unsigned char b) { return b == 0; });
}

std::span<const unsigned char> view(const SecretBytes& secret) {
  return {secret.data(), secret.size()};
}

// The first slot for which this host has a key under the same kid.
Result<SecretBytes> unwrap(const Header& header, std::span<const HostKey> host_keys,
                           std::string& slot) {
  for (std::size_t i = 0; i < header.slots.size(); ++i) {
    const auto key = std::find_if(host_keys.begin(), host_keys.end(),
                                  [&](const HostKey& k) { return k.kid == header.slots[i]; });
    if (key == host_keys.end()) continue;
    slot = header.slots[i];
    return decrypt_header(header, i, key->key.get());
  }
  std::string names;
  for (const auto& name : header.slots) names += (names.empty() ? "" : ", ") + name;
  return denied("dataset.key", "no key slot of this host; the dataset has slots for: " + names,
                "seal it for one of this host's keys (--recipient)");
}

std::string list(const std::vector<std::string>& names) {
  std::string out;
  for (const auto& name : names) out += (out.empty() ? "" : ", ") + name;
  return out;
}

Status check_condition(const std::vector<std::string>& allowed, const std::string& is,
                       const char* what) {
  if (allowed.empty() || std::find(allowed.begin(), allowed.end(), is) != allowed.end()) return {};
  return denied("dataset.condition",
                "the dataset may be opened only with " + std::string(what) + " " + list(allowed) +
                    "; this job has " + (is.empty() ? "none" : is),
                "run the job that way, or seal the dataset with another condition");
}

}  // namespace

Result<SealedFile> SealedFile::open(int fd) {
  struct stat facts{};
  if (::fstat(fd, &facts) != 0) return sys_error("look at the sealed file");
  if (!S_ISREG(facts.st_mode))
    return bad_input("dataset.source", "the sealed dataset is not a regular file");
  SealedFile out;
  out.fd_ = fd;
  out.file_bytes_ = static_cast<std::uint64_t>(facts.st_size);
  std::array<unsigned char, kPrefixBytes> prefix{};
  TRY(read_at(fd, prefix, 0));
  out.header_bytes_ = TRY(parse_prefix(prefix));
  out.body_bytes_ = TRY(body_of_file(out.file_bytes_, out.header_bytes_));
  std::vector<unsigned char> area(align_up(kPrefixBytes + out.header_bytes_, kAlign));
  TRY(read_at(fd, area, 0));
  const std::span<const unsigned char> bytes(area);
  if (!all_zero(bytes.subspan(kPrefixBytes + out.header_bytes_)))
    return tampered("the space behind the header is not zero");
  out.header_ = TRY(parse_header(as_text(bytes.subspan(kPrefixBytes, out.header_bytes_))));
  return out;
}

Result<Unlocked> unlock(const SealedFile& file, std::span<const HostKey> host_keys,
                        std::span<const TenantKey> tenant_keys) {
  Unlocked out;
  const SecretBytes jws = TRY(unwrap(file.header(), host_keys, out.slot));
  SignedManifest made = TRY(verify_manifest(jws, tenant_keys));
  out.signer = std::move(made.signer);
  out.manifest = TRY(parse_manifest(made.json));
  Manifest& m = out.manifest;
  if (m.file != file.header().file) return tampered("header and signed manifest are of two files");
  out.layout = TRY(make_layout(file.header_bytes(), m.body_bytes, m.index_bytes, m.payload_bytes));
  if (out.layout.file_bytes != file.file_bytes())
    return bad_input("dataset.truncated",
                     "the file has " + std::to_string(file.file_bytes()) + " bytes, signed were " +
                         std::to_string(out.layout.file_bytes),
                     "it was truncated or appended to: fetch it again");
  out.aad = sha256(view(made.json));
  out.index_key = TRY(hkdf(m.dek, m.salt, "casemate dataset v1 index"));
  out.payload_key = TRY(hkdf(m.dek, m.salt, "casemate dataset v1 payload"));
  m.dek = SecretBytes();
  return out;
}

Status check_release(const Manifest& m, const Expected& expected) {
  if (m.tenant != expected.tenant)
    return denied("dataset.tenant",
                  "sealed by and for tenant " + m.tenant + ", the job is tenant " + expected.tenant,
                  "use a dataset of the job's own tenant");
  if (m.dataset != expected.dataset)
    return denied("dataset.id",
                  "the file is dataset " + m.dataset + ", the job asks for " + expected.dataset,
                  "name the dataset that the file holds");
  if (m.serial < expected.min_serial)
    return denied("dataset.serial",
                  "the file is serial " + std::to_string(m.serial) + " of " + m.dataset +
                      ", this host accepts none below " + std::to_string(expected.min_serial),
                  "fetch the current version");
  TRY(check_condition(m.conditions.profiles, expected.profile, "profile"));
  TRY(check_condition(m.conditions.image_signers, expected.image_signer, "images signed by"));
  if (m.total_bytes > expected.max_bytes)
    return denied("dataset.size",
                  "the dataset has " + std::to_string(m.total_bytes) + " bytes, allowed are " +
                      std::to_string(expected.max_bytes),
                  "raise the profile's limit or use a smaller dataset");
  if (m.criticality > expected.max_criticality)
    return denied("dataset.criticality",
                  "the dataset is " + std::string(to_string(m.criticality)) +
                      ", the profile opens at most " +
                      std::string(to_string(expected.max_criticality)) + " data",
                  "use a profile for data as critical as this");
  return {};
}

Result<std::vector<Tag>> read_tags(const SealedFile& file, const Layout& layout) {
  std::vector<unsigned char> table(layout.body_at - layout.tags_at);
  TRY(read_at(file.fd(), table, layout.tags_at));
  const std::uint64_t used = layout.index_chunks() + layout.payload_chunks();
  if (!all_zero(std::span(table).subspan(used * kTagBytes)))
    return tampered("the unused part of the tag table is not zero");
  std::vector<Tag> tags(used);
  std::memcpy(tags.data(), table.data(), used * kTagBytes);
  return tags;
}

Result<Index> read_index(const SealedFile& file, const Unlocked& unlocked,
                         std::span<const Tag> tags, Engine engine) {
  const Layout& layout = unlocked.layout;
  auto bytes = SecretBytes::allocate(layout.index_cipher);
  if (!bytes)
    return internal("dataset.memory", "not enough lockable memory for the dataset's index",
                    "raise the limit on locked memory (ulimit -l)");
  const auto aead = TRY(make_aead(engine, unlocked.index_key, unlocked.aad));
  const std::uint64_t chunks = layout.index_chunks();
  std::vector<unsigned char> sealed(std::min(kChunk, layout.index_cipher));
  for (std::uint64_t i = 0; i < chunks; ++i) {
    const std::uint64_t begin = i * kChunk;
    const std::span<unsigned char> in(sealed.data(), std::min(kChunk, layout.index_cipher - begin));
    TRY(read_at(file.fd(), in, layout.body_at + begin));
    TRY(aead->open(chunk_nonce(i, i + 1 == chunks), in, bytes->data() + begin, tags[i]));
  }
  bytes->shrink(unlocked.manifest.index_bytes);
  if (sha256(view(*bytes)) != unlocked.manifest.index_digest)
    return tampered("the index is not the one that was signed");
  Index index = TRY(Index::parse(std::move(*bytes), unlocked.manifest.payload_bytes));
  if (index.files() != unlocked.manifest.files ||
      index.total_bytes() != unlocked.manifest.total_bytes)
    return bad_input("dataset.index", "index and manifest count the files differently",
                     "the sealing program is at fault: seal the dataset again");
  return index;
}

}  // namespace casemate::dataset
