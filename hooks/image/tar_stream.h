// One layer as two libarchive readers: the outer undoes the compression, the inner reads the tar,
// and everything that passes from one to the other is hashed. That hash is the diff_id.
#pragma once

#include <archive.h>
#include <archive_entry.h>

#include <memory>

#include "hooks/image/beneath.h"
#include "hooks/image/hash.h"
#include "hooks/image/layers.h"

namespace casemate::image {

class TarStream {
 public:
  TarStream(OpenFile blob, LayerBudget& budget) : blob_(std::move(blob)), budget_(budget) {}
  TarStream(const TarStream&) = delete;
  TarStream& operator=(const TarStream&) = delete;

  Status open(Compression compression);
  // nullptr at the end of the tar. The entry lives until the next call.
  Result<archive_entry*> next();
  // The current entry's content; `size` is what its header says. Holes count as zeros.
  Result<Sha256> hash_content(std::uint64_t size);
  // Reads what follows the tar's end, and returns the hash of all uncompressed bytes.
  Result<Sha256> finish();

 private:
  using Reader = std::unique_ptr<archive, decltype(&archive_read_free)>;
  static la_ssize_t on_read_blob(archive*, void* self, const void** buffer);
  static la_ssize_t on_read_tar(archive*, void* self, const void** buffer);
  Result<std::size_t> pull(const void** buffer);
  std::unexpected<Error> broken(archive* reader);

  static constexpr std::size_t kBuffer = 128 << 10;
  OpenFile blob_;
  LayerBudget& budget_;
  Hasher hasher_;
  Status failure_;  // of a callback: libarchive carries only its own
  std::unique_ptr<char[]> buffer_ = std::make_unique_for_overwrite<char[]>(kBuffer);
  std::uint64_t expected_offset_ = 0;
  Reader outer_{nullptr, &archive_read_free};
  Reader inner_{nullptr, &archive_read_free};  // declared last: freed before what it reads from
};

}  // namespace casemate::image
