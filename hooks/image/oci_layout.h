// An OCI image layout folder (image-spec image-layout.md), by directory descriptor. Nothing in it
// is believed: every blob is read with a bound and must have the size and the SHA-256 that its
// descriptor says (denied "image.blob"). Malformed: bad_input "image.layout".
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "hooks/image/manifest.h"
#include "shim/base/result.h"

namespace casemate::image {

inline constexpr std::size_t kMaxDocument = 4 << 20;  // index, manifest, config

class OciLayout {
 public:
  // `directory` stays the caller's and must outlive this.
  static Result<OciLayout> open(int directory);

  int directory() const { return directory_; }
  const std::vector<Descriptor>& index() const { return index_; }
  // The manifest with that digest, also inside nested indexes. denied "image.not-found".
  Result<Descriptor> find_manifest(std::string_view digest) const;
  // The one entry of index.json with that org.opencontainers.image.ref.name. denied
  // "image.not-found"; bad_input "image.layout" when several have it.
  Result<Descriptor> find_tag(std::string_view tag) const;

  Result<std::string> read_blob(const Descriptor& blob, std::size_t limit = kMaxDocument) const;
  // Hashes a blob of any size; what read_blob checks, without keeping it. Thread-safe.
  Status check_blob(const Descriptor& blob) const;

 private:
  OciLayout(int directory, std::vector<Descriptor> index)
      : directory_(directory), index_(std::move(index)) {}
  int directory_;
  std::vector<Descriptor> index_;
};

}  // namespace casemate::image
