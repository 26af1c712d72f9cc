// Opening a sealed dataset: from untrusted bytes to keys, in the order in which they may be
// trusted.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "hooks/dataset/aead.h"
#include "hooks/dataset/format.h"
#include "hooks/dataset/header.h"
#include "hooks/dataset/index.h"
#include "hooks/dataset/jose.h"
#include "hooks/dataset/manifest.h"
#include "shim/base/encoding.h"
#include "shim/base/result.h"

namespace casemate::dataset {

// What anyone can see.
class SealedFile {
 public:
  // `fd`: a regular file open for reading; borrowed, it must outlive this. Reads the header only.
  // dataset.source when it is no regular file; dataset.format, .version, .header, .truncated.
  static Result<SealedFile> open(int fd);

  int fd() const { return fd_; }
  const Header& header() const { return header_; }
  std::size_t header_bytes() const { return header_bytes_; }
  std::uint64_t file_bytes() const { return file_bytes_; }
  std::uint64_t body_bytes() const { return body_bytes_; }  // padded; all that shows of the content

 private:
  int fd_ = -1;
  Header header_;
  std::size_t header_bytes_ = 0;
  std::uint64_t file_bytes_ = 0;
  std::uint64_t body_bytes_ = 0;
};

struct HostKey {
  std::string kid;
  JsonPtr key;  // private
};

// What the tenant has said, and the keys. The manifest's dek is gone: only the derived keys stay.
struct Unlocked {
  Manifest manifest;
  Layout layout;
  std::string slot;    // kid of the slot that opened
  std::string signer;  // name of the tenant key
  Sha256 aad{};        // SHA-256 of the signed manifest: binds every chunk to it
  SecretBytes index_key;
  SecretBytes payload_key;
};

// Unwraps by the first slot that a host key fits, checks the tenant's signature and that manifest,
// header and file belong together. denied dataset.key (no slot of this host), dataset.signature;
// bad_input dataset.tampered, .manifest, .format, .truncated.
Result<Unlocked> unlock(const SealedFile& file, std::span<const HostKey> host_keys,
                        std::span<const TenantKey> tenant_keys);

// What the job is, against what the tenant allows.
struct Expected {
  std::string tenant;
  std::string dataset;
  std::string profile;
  std::string image_signer;
  std::uint64_t min_serial = 0;
  std::uint64_t max_bytes = UINT64_MAX;
  Criticality max_criticality = Criticality::restricted;  // the most that may be opened
};
// denied dataset.tenant, .id, .serial, .condition, .size, .criticality.
Status check_release(const Manifest& manifest, const Expected& expected);

// The tag table, complete; dataset.tampered when its unused part is not zero.
Result<std::vector<Tag>> read_tags(const SealedFile& file, const Layout& layout);
// Decrypts and checks the index against the manifest.
Result<Index> read_index(const SealedFile& file, const Unlocked& unlocked,
                         std::span<const Tag> tags, Engine engine);

}  // namespace casemate::dataset
