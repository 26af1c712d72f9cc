// The index: which part of the payload is which file. It is encrypted; in clear it lives in secret
// memory. Little-endian binary, documented in docs/SEALED-DATASET.md.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shim/base/result.h"
#include "shim/base/secret_bytes.h"

namespace casemate::dataset {

struct Entry {
  std::string_view path;  // relative, no ".", "..", empty component; points into the index
  bool directory = false;
  std::uint32_t mode = 0;  // permission bits only
  std::int64_t mtime_seconds = 0;
  std::uint32_t mtime_nanoseconds = 0;
  std::uint64_t offset = 0;  // in the payload
  std::uint64_t size = 0;
  std::uint64_t end() const { return offset + size; }
};

// Depth-first with names in byte order: the order of an index, and what makes duplicates
// impossible.
bool path_less(std::string_view a, std::string_view b);
bool is_safe_path(std::string_view path);

// Where the next file goes when the payload is filled up to `end`.
std::uint64_t place_file(std::uint64_t end, std::uint64_t size);

std::vector<unsigned char> encode_index(std::span<const Entry> entries);

class Index {
 public:
  // `bytes` is kept; the entries point into it. bad_input dataset.index for anything a sealing
  // program of this format would not write: unsafe, unsorted or duplicate paths, a file outside a
  // listed folder, overlapping or misplaced ranges, ranges outside the payload, odd modes or times.
  static Result<Index> parse(SecretBytes bytes, std::uint64_t payload_bytes);

  std::span<const Entry> entries() const { return entries_; }
  std::uint64_t files() const { return files_; }
  std::uint64_t total_bytes() const { return total_; }
  // What the files take in pages of a tmpfs.
  std::uint64_t page_bytes() const { return pages_; }

 private:
  SecretBytes bytes_;
  std::vector<Entry> entries_;
  std::uint64_t files_ = 0;
  std::uint64_t total_ = 0;
  std::uint64_t pages_ = 0;
};

}  // namespace casemate::dataset
