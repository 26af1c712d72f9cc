// Reads layer tars (plain, gzip, zstd) with libarchive. Only for the confined helper: the bytes are
// not authenticated before they are parsed. What is returned is, because the SHA-256 of the
// uncompressed tar equals the diff_id of the signed config.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "hooks/image/manifest.h"
#include "hooks/image/tree.h"
#include "shim/base/result.h"

namespace casemate::image {

// Of the whole image; beyond it bad_input "image.limit".
struct LayerLimits {
  std::uint64_t bytes = 64ULL << 30;  // uncompressed, holes of sparse files included
  std::uint64_t entries = 3'000'000;
};

// What the layers have used up; shared by the threads that read them.
class LayerBudget {
 public:
  explicit LayerBudget(LayerLimits limits) : limits_(limits) {}
  Status spend_bytes(std::uint64_t count);
  Status spend_entry();
  std::uint64_t bytes() const { return bytes_; }

 private:
  const LayerLimits limits_;
  std::atomic<std::uint64_t> bytes_ = 0, entries_ = 0;
};

// `layout` is the layout's directory descriptor. denied "image.diff-id"; bad_input "image.layer",
// "image.layer-path"; unsupported "image.layer-entry". Several layers may be read at once.
Result<std::vector<Change>> read_layer(int layout, const Descriptor& layer,
                                       const std::string& diff_id, LayerBudget& budget);

}  // namespace casemate::image
