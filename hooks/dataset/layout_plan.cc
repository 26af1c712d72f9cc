#include "hooks/dataset/layout_plan.h"

#include <algorithm>

namespace casemate::dataset {
namespace {

// The chunk borders at which a new run must begin: where an aligned file begins.
std::vector<std::uint64_t> forced_borders(std::span<const Entry> entries) {
  std::vector<std::uint64_t> borders;
  for (const Entry& e : entries)
    if (!e.directory && e.size >= kAlignedFile) borders.push_back(e.offset / kChunk);
  return borders;
}

}  // namespace

std::vector<Run> plan_runs(std::span<const Entry> entries, const Layout& layout) {
  const auto borders = forced_borders(entries);
  const std::uint64_t chunks = layout.payload_chunks();
  std::vector<Run> runs;
  runs.reserve(chunks / kRunChunks + borders.size() + 1);
  std::size_t border = 0;
  std::size_t entry = 0;
  for (std::uint64_t chunk = 0; chunk < chunks;) {
    while (border < borders.size() && borders[border] <= chunk) ++border;
    std::uint64_t count = std::min(kRunChunks, chunks - chunk);
    if (border < borders.size()) count = std::min(count, borders[border] - chunk);
    Run run{.first_chunk = chunk, .chunks = count, .begin = chunk * kChunk};
    run.end = std::min((chunk + count) * kChunk, layout.payload_cipher);
    while (entry < entries.size() && (entries[entry].directory || entries[entry].size == 0 ||
                                      entries[entry].end() <= run.begin))
      ++entry;
    run.first_entry = entry;
    runs.push_back(run);
    chunk += count;
  }
  return runs;
}

}  // namespace casemate::dataset
