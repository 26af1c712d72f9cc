#include "hooks/dataset/extract.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "hooks/dataset/file_io.h"
#include "hooks/dataset/layout_plan.h"
#include "hooks/dataset/parallel.h"
#include "shim/base/clock.h"
#include "shim/base/unique_fd.h"

namespace casemate::dataset {
namespace {

std::unexpected<Error> failed(const char* what, const Entry& entry) {
  const int error = errno;
  return sys_error(what + std::string(" ") + std::string(entry.path) + " of the dataset", error);
}

// Creates and fills files below a directory. Files get their final size before the first byte:
// tmpfs then uses huge pages for exactly the part that is needed.
class Tree {
 public:
  Tree(int directory, std::span<const Entry> entries) : directory_(directory), entries_(entries) {}

  // Folders, and the files that no single run writes whole.
  Status prepare(std::span<const Run> runs) {
    std::size_t run = 0;
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      const Entry& e = entries_[i];
      if (e.directory) {
        if (::mkdirat(directory_, path(e).c_str(), 0700) != 0) return failed("make folder", e);
        continue;
      }
      while (run + 1 < runs.size() && runs[run].end <= e.offset) ++run;
      if (e.size != 0 && e.end() <= runs[run].end) continue;
      shared_.push_back(i);
      const UniqueFd file = TRY(create(e));
    }
    return {};
  }

  Status write(std::size_t number, const Run& run, std::uint64_t from,
               std::span<const unsigned char> bytes) {
    const Entry& e = entries_[number];
    const bool whole = e.offset >= run.begin && e.end() <= run.end;
    const UniqueFd file = TRY(whole ? create(e) : reopen(e));
    TRY(write_at(file.get(), bytes, from - e.offset));
    return whole ? finish(file.get(), e) : Status();
  }

  // Modes and times last: a folder's time changes with its content, and a mode may forbid writing.
  Status seal_up() {
    for (const std::size_t i : shared_) {
      const UniqueFd file = TRY(reopen(entries_[i]));
      TRY(finish(file.get(), entries_[i]));
    }
    for (auto e = entries_.rbegin(); e != entries_.rend(); ++e) {
      if (!e->directory) continue;
      const UniqueFd dir(
          ::openat(directory_, path(*e).c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (!dir) return failed("open folder", *e);
      TRY(finish(dir.get(), *e));
    }
    return {};
  }

 private:
  static std::string path(const Entry& e) { return std::string(e.path); }

  Result<UniqueFd> create(const Entry& e) {
    UniqueFd file(::openat(directory_, path(e).c_str(),
                           O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file) return failed("make file", e);
    if (e.size != 0 && ::ftruncate(file.get(), static_cast<off_t>(e.size)) != 0)
      return failed("set the size of", e);
    return file;
  }
  Result<UniqueFd> reopen(const Entry& e) {
    UniqueFd file(::openat(directory_, path(e).c_str(), O_WRONLY | O_NOFOLLOW | O_CLOEXEC));
    if (!file) return failed("open file", e);
    return file;
  }
  static Status finish(int fd, const Entry& e) {
    const timespec times[2] = {{e.mtime_seconds, static_cast<long>(e.mtime_nanoseconds)},
                               {e.mtime_seconds, static_cast<long>(e.mtime_nanoseconds)}};
    if (::fchmod(fd, e.mode) != 0) return failed("set the mode of", e);
    if (::futimens(fd, times) != 0) return failed("set the time of", e);
    return {};
  }

  int directory_;
  std::span<const Entry> entries_;
  std::vector<std::size_t> shared_;  // files that more than one run writes, and empty ones
};

// One thread's cipher and buffer.
struct Worker {
  std::unique_ptr<Aead> aead;
  Buffer buffer;
};

// Reads a run into the private buffer and decrypts it there: the file is read once only, so nobody
// can change it between the check of a tag and the use of the bytes.
Status decrypt_run(const SealedFile& file, const Layout& layout, std::span<const Tag> tags,
                   const Run& run, Worker& worker) {
  const auto bytes = worker.buffer.bytes().first(run.end - run.begin);
  for (std::uint64_t i = 0; i < run.chunks; ++i) {
    const std::uint64_t number = run.first_chunk + i;
    const auto chunk = bytes.subspan(i * kChunk, std::min(kChunk, bytes.size() - i * kChunk));
    TRY(read_at(file.fd(), chunk, layout.payload_at() + number * kChunk));
    TRY(worker.aead->open(chunk_nonce(number, number + 1 == layout.payload_chunks()), chunk,
                          chunk.data(), tags[layout.index_chunks() + number]));
  }
  return {};
}

Result<std::vector<Worker>> make_workers(const Unlocked& unlocked, const ExtractOptions& options,
                                         std::size_t runs) {
  std::vector<Worker> workers;
  for (unsigned i = 0; i < threads_for(options.threads, runs); ++i) {
    auto aead = TRY(make_aead(options.engine, unlocked.payload_key, unlocked.aad));
    workers.push_back({std::move(aead), TRY(Buffer::allocate(kRunBytes))});
  }
  return workers;
}

Result<Extracted> process(const SealedFile& file, const Unlocked& unlocked, const Index& index,
                          std::span<const Tag> tags, Tree* tree, const ExtractOptions& options) {
  const std::int64_t begun = monotonic_ns();
  const auto runs = plan_runs(index.entries(), unlocked.layout);
  auto workers = TRY(make_workers(unlocked, options, runs.size()));
  ::posix_fadvise(file.fd(), 0, 0, POSIX_FADV_SEQUENTIAL);
  if (tree != nullptr) TRY(tree->prepare(runs));
  const auto work = [&](unsigned number, std::size_t item) -> Status {
    const Run& run = runs[item];
    Worker& worker = workers[number];
    TRY(decrypt_run(file, unlocked.layout, tags, run, worker));
    if (tree == nullptr) return {};
    const auto write = [&](std::size_t entry, std::uint64_t from, std::uint64_t length) {
      return tree->write(entry, run, from, worker.buffer.bytes().subspan(from - run.begin, length));
    };
    return for_each_part(index.entries(), run, write);
  };
  TRY(for_each_item(runs.size(), options.threads, work));
  if (tree != nullptr) TRY(tree->seal_up());
  return Extracted{index.files(), index.total_bytes(),
                   static_cast<double>(monotonic_ns() - begun) / 1e9,
                   std::string(workers[0].aead->engine())};
}

}  // namespace

Result<Extracted> extract(const SealedFile& file, const Unlocked& unlocked, const Index& index,
                          std::span<const Tag> tags, int directory, const ExtractOptions& options) {
  Tree tree(directory, index.entries());
  return process(file, unlocked, index, tags, &tree, options);
}

Result<Extracted> authenticate(const SealedFile& file, const Unlocked& unlocked, const Index& index,
                               std::span<const Tag> tags, const ExtractOptions& options) {
  return process(file, unlocked, index, tags, nullptr, options);
}

}  // namespace casemate::dataset
