// Decrypting the payload with all CPUs, into files or only to check it.
#pragma once

#include <cstdint>
#include <string>

#include "hooks/dataset/sealed_file.h"
#include "shim/base/result.h"

namespace casemate::dataset {

struct Extracted {
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
  double seconds = 0;
  std::string engine;
};

struct ExtractOptions {
  Engine engine = Engine::automatic;
  unsigned threads = 0;  // 0: all CPUs
};

// Writes every file of the index below `directory` (empty, ours alone: nobody else may write to it
// meanwhile), owned by the caller, with the stored modes and times. Every byte of the payload,
// padding included, is authenticated before this returns success; on error part of the files may be
// there, unauthenticated bytes never. bad_input dataset.tampered, dataset.truncated.
Result<Extracted> extract(const SealedFile& file, const Unlocked& unlocked, const Index& index,
                          std::span<const Tag> tags, int directory, const ExtractOptions& options);

// The same without writing anything.
Result<Extracted> authenticate(const SealedFile& file, const Unlocked& unlocked, const Index& index,
                               std::span<const Tag> tags, const ExtractOptions& options);

}  // namespace casemate::dataset
