// The payload cut into pieces of work for threads: runs of chunks, each with the files it touches.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "hooks/dataset/format.h"
#include "hooks/dataset/index.h"

namespace casemate::dataset {

inline constexpr std::uint64_t kRunChunks = 8;  // 2 MiB: one huge page of a large file
inline constexpr std::uint64_t kRunBytes = kRunChunks * kChunk;

struct Run {
  std::uint64_t first_chunk = 0;
  std::uint64_t chunks = 0;  // 1 … kRunChunks
  std::uint64_t begin = 0;   // byte range of the payload stream, padding included
  std::uint64_t end = 0;
  std::size_t first_entry = 0;  // the first entry that reaches into the range
};

// Runs in order, together covering all of `layout.payload_cipher`. A large file's runs begin at
// multiples of 2 MiB of that file, so that each fills huge pages whole.
std::vector<Run> plan_runs(std::span<const Entry> entries, const Layout& layout);

// Calls visit(entry number, offset in the payload, length) for each part of a file inside the run;
// files without bytes have none. Visit returns Status.
template <class Visit>
auto for_each_part(std::span<const Entry> entries, const Run& run, Visit&& visit)
    -> decltype(visit(std::size_t{}, std::uint64_t{}, std::uint64_t{})) {
  for (std::size_t i = run.first_entry; i < entries.size(); ++i) {
    const Entry& e = entries[i];
    if (e.directory || e.size == 0) continue;
    if (e.offset >= run.end) break;
    const std::uint64_t from = e.offset > run.begin ? e.offset : run.begin;
    const std::uint64_t to = e.end() < run.end ? e.end() : run.end;
    if (from >= to) continue;
    auto done = visit(i, from, to - from);
    if (!done) return done;
  }
  return {};
}

}  // namespace casemate::dataset
