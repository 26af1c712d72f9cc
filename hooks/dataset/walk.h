// The source tree of a dataset, listed before anything is sealed.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <string>
#include <vector>

#include "hooks/dataset/index.h"
#include "shim/base/result.h"
#include "shim/base/unique_fd.h"

namespace casemate::dataset {

// What tells that a file is still the one that was listed, unchanged.
struct Identity {
  dev_t device = 0;
  ino_t inode = 0;
  std::int64_t size = 0;
  timespec modified{};
  timespec changed{};
  static Identity of(const struct stat& facts);
  bool operator==(const Identity& other) const;
};

struct SourceEntry {
  std::string path;
  struct stat facts{};
};

struct SourceTree {
  std::vector<SourceEntry> sources;  // in the index's order
  std::vector<Entry> entries;        // the same, placed in the payload; paths point into sources
  std::uint64_t payload_bytes = 0;
  std::uint64_t files = 0;
  std::uint64_t total_bytes = 0;
};

// Lists a directory (descriptor open for reading). Regular files and directories only: a symbolic
// link, device, socket or FIFO is bad_input "dataset.file-type" (a link could lead out of the
// dataset, or to nowhere inside the sandbox). Hard links become files of their own; set-id bits are
// dropped; extended attributes are not stored.
Result<SourceTree> walk_source(int directory);

// Opens one listed file for reading; bad_input "dataset.source-changed" when it is another now.
Result<UniqueFd> open_source(int directory, const SourceEntry& entry);
// The same check again, after reading.
Status check_unchanged(int file, const SourceEntry& entry);

}  // namespace casemate::dataset
