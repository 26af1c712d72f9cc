#include "hooks/image/tar_stream.h"

#include <unistd.h>

#include <algorithm>
#include <array>

namespace casemate::image {
namespace {

constexpr const char* kHint = "the layer is damaged: fetch or rebuild the image";

Status add_filter(archive* reader, Compression compression) {
  int rc = ARCHIVE_OK;
  if (compression == Compression::gzip) rc = archive_read_support_filter_gzip(reader);
  if (compression == Compression::zstd) rc = archive_read_support_filter_zstd(reader);
  // ARCHIVE_WARN would mean that libarchive wants to run an external program.
  if (rc == ARCHIVE_OK) return {};
  return unsupported("image.layer", "this libarchive cannot read the layer's compression");
}

}  // namespace

Status TarStream::open(Compression compression) {
  outer_.reset(archive_read_new());
  inner_.reset(archive_read_new());
  if (!outer_ || !inner_) return internal("image.memory", "out of memory");
  TRY(add_filter(outer_.get(), compression));
  archive_read_support_format_raw(outer_.get());
  archive_read_support_format_tar(inner_.get());
  archive_entry* all = nullptr;
  if (archive_read_open(outer_.get(), this, nullptr, &on_read_blob, nullptr) != ARCHIVE_OK ||
      archive_read_next_header(outer_.get(), &all) != ARCHIVE_OK)
    return broken(outer_.get());
  if (archive_read_open(inner_.get(), this, nullptr, &on_read_tar, nullptr) != ARCHIVE_OK)
    return broken(inner_.get());
  return {};
}

la_ssize_t TarStream::on_read_blob(archive* reader, void* self, const void** buffer) {
  auto& stream = *static_cast<TarStream*>(self);
  *buffer = stream.buffer_.get();
  for (;;) {
    const ssize_t got = ::read(stream.blob_.fd.get(), stream.buffer_.get(), kBuffer);
    if (got >= 0) return got;
    if (errno == EINTR) continue;
    stream.failure_ = sys_error("read layer");
    archive_set_error(reader, EIO, "cannot read the blob");
    return -1;
  }
}

la_ssize_t TarStream::on_read_tar(archive* reader, void* self, const void** buffer) {
  auto& stream = *static_cast<TarStream*>(self);
  auto got = stream.pull(buffer);
  if (got) return static_cast<la_ssize_t>(*got);
  stream.failure_ = std::unexpected(std::move(got.error()));
  archive_set_error(reader, EIO, "cannot read the layer");
  return -1;
}

Result<std::size_t> TarStream::pull(const void** buffer) {
  std::size_t size = 0;
  la_int64_t offset = 0;
  do {  // an empty block is not the end
    const int rc = archive_read_data_block(outer_.get(), buffer, &size, &offset);
    if (rc == ARCHIVE_EOF) return std::size_t{0};
    if (rc != ARCHIVE_OK) return broken(outer_.get());
  } while (size == 0);
  if (static_cast<std::uint64_t>(offset) != expected_offset_)
    return bad_input("image.layer", "the uncompressed layer has a gap", kHint);
  expected_offset_ += size;
  TRY(budget_.spend_bytes(size));
  hasher_.update(*buffer, size);
  return size;
}

Result<archive_entry*> TarStream::next() {
  archive_entry* entry = nullptr;
  const int rc = archive_read_next_header(inner_.get(), &entry);
  if (rc == ARCHIVE_EOF) return nullptr;
  // A warning says that libarchive guessed; what an engine guessed may differ.
  if (rc != ARCHIVE_OK) return broken(inner_.get());
  return entry;
}

Result<Sha256> TarStream::hash_content(std::uint64_t size) {
  Hasher content;
  for (;;) {
    const void* block = nullptr;
    std::size_t length = 0;
    la_int64_t offset = 0;
    const int rc = archive_read_data_block(inner_.get(), &block, &length, &offset);
    if (rc == ARCHIVE_EOF) break;
    if (rc != ARCHIVE_OK) return broken(inner_.get());
    const auto at = static_cast<std::uint64_t>(offset);
    if (at < content.bytes() || at > size || length > size - at)
      return bad_input("image.layer", "a tar member is longer than its header says", kHint);
    TRY(budget_.spend_bytes(at - content.bytes()));
    content.update_zeros(at - content.bytes());
    content.update(block, length);
  }
  TRY(budget_.spend_bytes(size - content.bytes()));
  content.update_zeros(size - content.bytes());
  return content.finish();
}

Result<Sha256> TarStream::finish() {
  const void* rest = nullptr;
  while (TRY(pull(&rest)) != 0) {
  }
  return hasher_.finish();
}

std::unexpected<Error> TarStream::broken(archive* reader) {
  if (!failure_) return std::unexpected(failure_.error());
  const char* said = archive_error_string(reader);
  return bad_input(
      "image.layer",
      std::string("cannot read the layer's tar: ") + (said != nullptr ? said : "unknown reason"),
      kHint);
}

}  // namespace casemate::image
